// prints gains over bicubic through the package for each model given
import { createUpscaler } from 'carafe-web';
import { imresize } from '/tmp/train/bench/imresize.js';
import { psnr, readPair, ssim } from '/tmp/train/bench/quality.js';
const root='/tmp/train/';
const IMAGES = { photo: 'examples/sample.jpg', 'clip art': 'test/images/car.png', text: 'test/images/text.png' };
for (const name of process.argv.slice(2)) {
  const [, model, digit] = /^(.*)-x(\d)$/.exec(name); const scale=Number(digit); const line=[];
  for (const [k,f] of Object.entries(IMAGES)) {
    const { original, small } = await readPair(root+f, scale);
    const u = await createUpscaler({ backend:'wasm', scale, model: new URL(`file:///tmp/train/models/${name}.safetensors`) });
    const o = { channels:4, ...(await u.upscale(small)) }; u.dispose();
    const b = imresize(small, original.width, original.height);
    const g=psnr(original,o,scale)-psnr(original,b,scale);
    line.push(`${k.includes(' ')?`'${k}'`:k}: ${Math.max(0.05,Math.floor((g*0.96-0.02)*20)/20)} (${g.toFixed(3)}, ssim ${(ssim(original,o,scale)-ssim(original,b,scale)).toFixed(4)})`);
  }
  console.log(name, line.join(', '));
}
