// Dialogs: a button with data-opens="<id>" opens one, data-closes closes it. Escape and the focus are the browser's own affair. A button with
// data-target says where the form of a dialog that many rows share leads.

import { restore } from './kept.js';

document.addEventListener('click', (event) => {
  const opener = event.target.closest?.('[data-opens]');
  if (opener) {
    const dialog = document.getElementById(opener.dataset.opens);
    if (!dialog || dialog.open) return;
    const form = opener.dataset.target && dialog.querySelector('form[data-targeted]');
    if (form) {
      form.setAttribute('action', opener.dataset.target);
      restore(form);
    }
    dialog.showModal();
    return;
  }
  event.target.closest?.('[data-closes]')?.closest('dialog')?.close();
});

// What was typed into a dialog that is cancelled has no effect: the next opening begins as the first did. A new page closes dialogs too, but takes
// nothing back.
const left = new WeakSet();

document.addEventListener('close', (event) => {
  const dialog = event.target;
  if (!dialog.matches?.('dialog') || left.delete(dialog)) return;
  dialog.querySelectorAll('.refusal').forEach((one) => one.remove());
  dialog.querySelectorAll('form').forEach((form) => form.reset());
  for (const field of dialog.querySelectorAll('input[form]')) field.value = field.defaultValue; // of a form that stands outside
}, true);

document.addEventListener('htmx:before:swap', (event) => {
  const target = event.detail?.tasks?.find((task) => task.type === 'main')?.target;
  if (target?.id !== 'page') return;
  for (const dialog of document.querySelectorAll('dialog[open]')) {
    left.add(dialog);
    dialog.close();
  }
});
