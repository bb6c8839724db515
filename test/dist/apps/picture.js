// The picture of every app, and of the test.
export const picture = () => {
  const [width, height] = [40, 28];
  const data = new Uint8ClampedArray(width * height * 4);
  for (let i = 0; i < data.length; i += 4) {
    const [x, y] = [(i / 4) % width, Math.floor(i / 4 / width)];
    data.set([127 + 120 * Math.sin(x / 3), (x * y) % 256, (x >> 2) % 2 === (y >> 2) % 2 ? 230 : 20, 255], i);
  }
  return { data, width, height };
};
