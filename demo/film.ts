// The film strip: a thumbnail of each picture that is open, if there are several.
import { byId } from './dom.js';
import type { Picture } from './picture.js';

/** @param choose gets the picture whose thumbnail is clicked */
export function showFilm(pictures: readonly Picture[], choose: (picture: Picture) => void): void {
  const film = byId('film');
  film.hidden = byId('zip').hidden = pictures.length < 2;
  film.replaceChildren(
    ...pictures.map((picture) => {
      const button = Object.assign(document.createElement('button'), { type: 'button', id: `picture-${picture.id}` });
      button.setAttribute('aria-label', picture.name);
      button.append(picture.thumbnail);
      button.addEventListener('click', () => choose(picture));
      const item = document.createElement('li');
      item.append(button);
      return item;
    }),
  );
}

export function markPicture({ id }: Picture): void {
  for (const button of document.querySelectorAll('#film button'))
    button.setAttribute('aria-current', `${button.id === `picture-${id}`}`);
}
