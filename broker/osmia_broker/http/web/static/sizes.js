// Nothing is sent that the broker would refuse as too large: its answer would take the place of the page, and what was typed would be gone.

import { say } from './said.js';

export const mebibytes = (bytes) => `${(bytes / 1048576).toFixed(1)} MiB`;

// The most bytes that one request may have.
export const most = () => Number(document.getElementById('page').dataset.most);

function bytesOf(form) {
  const fields = new FormData(form);
  if (form.enctype !== 'multipart/form-data') return new URLSearchParams(fields).toString().length;
  return [...fields.values()].reduce((sum, one) => sum + (one.size ?? one.length), 0);
}

function refuse(event, form) {
  if (form?.method !== 'post' || !form.closest('#page')) return;
  const bytes = bytesOf(form);
  if (bytes <= most()) return;
  event.preventDefault();
  event.stopImmediatePropagation();
  const mend = form.enctype === 'multipart/form-data' ? 'Choose fewer or smaller files.' : 'Shorten a value; what you typed is still here.';
  say('alert', `Nothing was sent: this is ${mebibytes(bytes)}, and at most ${mebibytes(most())} can be sent at once. ${mend}`);
}

document.addEventListener('submit', (event) => refuse(event, event.target), true);
document.addEventListener('change', (event) => {
  if (event.target.matches('[type=file][data-drops]')) refuse(event, event.target.form); // files that are looked at as soon as they are chosen
}, true);
