// The editor of the variables of a task: a text of JSON for each, checked when its field is left and before anything is sent.

import { begun, typed, work } from './drafts.js';
import { jsonProblem } from './json.js';

const problemOf = (field) => field.closest('td, osmia-added')?.querySelector('[data-problem]:is(p)');

function complain(field, text) {
  const place = problemOf(field);
  if (!place) return;
  place.id ||= `problem-${Math.random().toString(36).slice(2)}`;
  place.hidden = !text;
  place.firstElementChild.textContent = `${text} `; // the button is behind it
  place.querySelector('[data-quotes]').hidden = !text.startsWith('Not valid JSON');
  if (text) {
    field.setAttribute('aria-invalid', 'true');
    field.setAttribute('aria-describedby', place.id);
  } else {
    field.removeAttribute('aria-invalid');
    field.removeAttribute('aria-describedby');
  }
}

const isChanged = (field) => 'changed' in field.dataset || field.value !== field.defaultValue;

// What is wrong with the text of a field: empty if it may be sent, or is not sent at all.
function wrongOf(field) {
  const name = field.closest('osmia-added')?.querySelector('[name=added-name]').value.trim();
  if (name === undefined) return isChanged(field) ? jsonProblem(field.value) : '';
  if (!name) return field.value.trim() ? 'Give the variable a name.' : '';
  return jsonProblem(field.value);
}

// Return whether the text of a field may be sent; say beside it why not.
function check(field) {
  const wrong = wrongOf(field);
  complain(field, wrong);
  return !wrong;
}

// Not while the pointer presses a button: the message would move it away.
let isPressing = false;
document.addEventListener('pointerdown', () => { isPressing = true; }, true);
for (const name of ['pointerup', 'pointercancel', 'keydown']) document.addEventListener(name, () => { isPressing = false; }, true);
document.addEventListener('focusout', (event) => {
  if (!event.target.matches?.('[data-value-json]')) return;
  if (!isPressing || !event.relatedTarget?.closest('button, a')) check(event.target);
});

document.addEventListener('input', (event) => {
  const field = event.target;
  if (field.matches?.('[data-value-json][aria-invalid]') && !jsonProblem(field.value)) complain(field, '');
});

document.addEventListener('click', (event) => {
  const adds = event.target.closest?.('[data-adds]:not([data-adds=""])'); // without a value it is of another screen
  if (adds) {
    const row = document.getElementById(`${adds.dataset.adds}-row`).content.cloneNode(true).firstElementChild;
    document.getElementById(adds.dataset.adds).append(row);
    row.querySelector('input').focus();
    begun(work());
    return;
  }
  const removes = event.target.closest?.('[data-removes]');
  if (removes) {
    const form = work();
    removes.closest('osmia-added').remove();
    form.querySelector('[data-adds]').focus();
    typed(form);
    return;
  }
  const quotes = event.target.closest?.('[data-quotes]');
  if (quotes) {
    const field = quotes.closest('td, osmia-added').querySelector('[data-value-json]');
    field.value = JSON.stringify(field.value);
    complain(field, '');
    typed(field.form);
    field.focus();
  }
});

// Only what was changed is sent.
document.addEventListener('formdata', (event) => {
  if (event.target.id !== 'task-form') return;
  for (const field of event.target.querySelectorAll('textarea[name^="value:"]')) {
    if (isChanged(field)) continue;
    event.formData.delete(field.name);
    event.formData.delete(field.name.replace(/^value:/, 'was:'));
  }
});

document.addEventListener('submit', (event) => {
  if (event.target.id !== 'task-form') return;
  const wrong = [...event.target.querySelectorAll('[data-value-json]')].filter((one) => !check(one));
  if (!wrong.length) return;
  event.preventDefault();
  event.stopImmediatePropagation();
  for (let one = wrong[0].closest('details'); one; one = one.parentElement.closest('details')) one.open = true;
  wrong[0].focus();
}, true);

// Chromium would look for half a minute which way megabytes on one line are written.
const DIRECTED_CHARACTERS = 50_000;
document.addEventListener('beforeinput', (event) => {
  const text = event.data ?? event.dataTransfer?.getData('text/plain') ?? '';
  if (text.length > DIRECTED_CHARACTERS && event.target.matches?.('textarea[dir=auto]')) event.target.dir = 'ltr';
});
