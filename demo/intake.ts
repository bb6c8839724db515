// Where files come from: the buttons, drops anywhere on the page, and pastes.
import { byId } from './dom.js';

/** @param open gets the files of one choice, drop or paste; never none */
export function addIntake(open: (files: readonly File[]) => void): void {
  const offer = (files: Iterable<File> | null | undefined): void => {
    const list = [...(files ?? [])];
    if (list.length > 0) open(list);
  };
  for (const id of ['file', 'shot']) {
    const input = byId<HTMLInputElement>(id);
    input.addEventListener('change', () => {
      offer(input.files);
      input.value = ''; // so that the same file can be chosen again
    });
  }
  addEventListener('paste', (event) => offer(event.clipboardData?.files));

  const highlight = (on: boolean): void => {
    document.body.toggleAttribute('data-dragging', on);
  };
  let depth = 0; // of the elements that the pointer has entered
  addEventListener('dragenter', () => {
    depth++;
    highlight(true);
  });
  addEventListener('dragleave', () => {
    depth--;
    if (depth <= 0) highlight(false);
  });
  addEventListener('dragover', (event) => {
    event.preventDefault();
    if (event.dataTransfer) event.dataTransfer.dropEffect = 'copy';
  });
  addEventListener('drop', (event) => {
    event.preventDefault();
    depth = 0;
    highlight(false);
    offer(event.dataTransfer?.files);
  });
}
