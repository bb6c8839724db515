// Where files come from: the button, drops anywhere on the page, and pastes.
import { byId } from './dom.js';

/** @param open gets the files of one choice, drop or paste; never none */
export function addIntake(open: (files: readonly File[]) => void): void {
  const offer = (files: Iterable<File> | null | undefined): void => {
    const list = [...(files ?? [])];
    if (list.length > 0) open(list);
  };
  const input = byId<HTMLInputElement>('file');
  input.addEventListener('change', () => {
    offer(input.files);
    input.value = ''; // so that the same file can be chosen again
  });
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

/** Some browsers know no type for what they play all the same. */
export function isVideo({ type, name }: File): boolean {
  return type ? type.startsWith('video/') : /\.(mp4|m4v|mov|webm|mkv)$/i.test(name);
}
