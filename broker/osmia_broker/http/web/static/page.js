// What every page does: messages, dialogs, copying, times, keyboard, live updates. Elements with behaviour of their own are custom elements,
// each in a file that is imported here; they work wherever htmx puts them.

import { say } from './said.js';
import './live.js';
import './times.js';
import './copying.js';
import './keyboard.js';
import './kept.js';
import './dialogs.js';
import './tasks.js';
import './variables.js'; // after tasks.js: a form that goes on without htmx is not checked
import './instances.js';
import './processes.js';
import './sizes.js'; // after those that check what was typed
import './once.js';

// --- after a part of the page was replaced, the focus must not be lost; another page of a list is read from its first row

let paged = ''; // the id of the list that goes on
document.addEventListener('click', (event) => { paged = event.target.closest?.('.pager a')?.closest('[data-live][id]')?.id ?? ''; });

document.addEventListener('osmia:answered', () => {
  const list = paged && document.getElementById(paged);
  paged = '';
  const first = list && (list.querySelector('[data-row-link]') ?? list.querySelector('.pager a[rel=next]') ?? list.querySelector('.pager a'));
  if (!first) return;
  list.scrollIntoView();
  first.focus({ preventScroll: true });
});

document.addEventListener('htmx:after:swap', () => {
  if (document.activeElement && document.activeElement !== document.body) return;
  const places = document.querySelectorAll('#page [data-focus], #main [autofocus]'); // some are in dialogs that are closed
  const wanted = [...places].filter((one) => one.checkVisibility());
  const first = wanted.find((one) => 'focus' in one.dataset) ?? wanted[0] ?? document.getElementById('main');
  first?.focus({ preventScroll: true });
});

document.addEventListener('htmx:error', (event) => {
  if (event.detail?.ctx?.response) return; // the answer itself says what is wrong
  const sent = event.target.matches?.('form') ? event.target : event.target.form; // none of a link
  const isTyped = document.querySelector('#main [data-dirty]') || [...(sent?.elements ?? [])].some((one) => one.matches('textarea, input:not([type=hidden], [type=checkbox])') && one.value);
  say('alert', `The broker did not answer. ${isTyped ? 'What you typed is still here; try' : 'Try'} again in a moment.`, { isAway: true });
});

// Who is not signed in any more keeps the page, and with it what was typed.
const SIGNED_OUT = 401;

document.addEventListener('htmx:before:swap', (event) => {
  if (event.detail?.ctx?.response?.status !== SIGNED_OUT) return;
  event.preventDefault();
  event.stopImmediatePropagation();
  say('alert', 'Nothing was sent, because you are not signed in any more. Sign in in another tab and try again here: what you typed is kept.');
}, true);

// --- forms that are sent as soon as something is chosen

document.addEventListener('change', (event) => {
  if (event.target.matches?.('[data-submits]')) event.target.form?.requestSubmit();
});

// --- the look

document.addEventListener('submit', (event) => {
  if (!event.target.matches?.('form.theme')) return;
  event.preventDefault();
  const root = document.documentElement;
  const looks = ['system', 'light', 'dark'];
  const next = looks[(looks.indexOf(root.dataset.theme) + 1) % looks.length];
  root.dataset.theme = next;
  document.getElementById('theme').title = next;
  document.cookie = `osmia_theme=${next};path=/;max-age=31536000;samesite=lax`;
  say('status', `Theme: ${next}`);
});
