// The behaviour of the task list and of a task: filters, selection, tabs, the editor of variables, drafts.
//
// What somebody types is never lost: while a task has input that was not sent, live updates leave its fields alone, and the broker keeps a
// draft of it for this person.

import './form.js';
import { jsonProblem } from './json.js';
import { refresh } from './live.js';
import { say } from './said.js';

const DRAFT_PAUSE_MS = 700;
const work = () => document.getElementById('task-form');
const isDirty = (form) => form && 'dirty' in form.dataset;

// --- unfolding

document.addEventListener('click', (event) => {
  const button = event.target.closest?.('[data-unfolds]');
  if (!button) return;
  const part = document.getElementById(button.dataset.unfolds);
  part.hidden = !part.hidden;
  button.setAttribute('aria-expanded', String(!part.hidden));
  if (!part.hidden) part.querySelector('input, select')?.focus();
});

// A button with an address of its own sends its form without htmx, which does not know of it.
document.addEventListener('submit', (event) => {
  if (event.submitter?.hasAttribute('formaction')) event.stopImmediatePropagation();
}, true);

// --- tabs

document.addEventListener('click', async (event) => {
  const tab = event.target.closest?.('#task [role=tab]');
  if (!tab || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  for (const one of tab.parentElement.children) {
    const isChosen = one === tab;
    one.setAttribute('aria-selected', String(isChosen));
    one.tabIndex = isChosen ? 0 : -1;
    document.getElementById(one.getAttribute('aria-controls')).hidden = !isChosen;
  }
  history.replaceState(history.state, '', tab.getAttribute('href'));
  tab.focus();
  await refresh(null);
});

document.addEventListener('keydown', (event) => {
  const tab = event.target.closest?.('#task [role=tab]');
  if (!tab || !['ArrowLeft', 'ArrowRight', 'Home', 'End', ' '].includes(event.key)) return;
  event.preventDefault();
  const tabs = [...tab.parentElement.children];
  const place = tabs.indexOf(tab);
  const places = { ArrowLeft: (place + tabs.length - 1) % tabs.length, ArrowRight: (place + 1) % tabs.length, Home: 0, End: tabs.length - 1, ' ': place };
  tabs[places[event.key]].click();
});

// --- the editor of variables

const problemOf = (field) => field.closest('td, osmia-added')?.querySelector('[data-problem]:is(p)');

function complain(field, text) {
  const place = problemOf(field);
  if (!place) return;
  place.id ||= `problem-${Math.random().toString(36).slice(2)}`;
  place.hidden = !text;
  place.firstElementChild.textContent = text;
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

// Return whether the text of a field may be sent; say beside it why not.
function check(field) {
  const added = field.closest('osmia-added');
  if (added) {
    const name = added.querySelector('[name=added-name]');
    if (!name.value.trim() && !field.value.trim()) return complain(field, '') ?? true;
    if (!name.value.trim()) return complain(field, 'Give the variable a name.') ?? false;
  } else if (!isChanged(field)) {
    return complain(field, '') ?? true;
  }
  const problem = jsonProblem(field.value);
  complain(field, problem && `${problem} `);
  return !problem;
}

// Not while the pointer presses a button: the message would move it away from under the pointer. The keyboard may go where it likes.
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
  if (field.form && field.form === work()) typed(field.form);
});
// Chromium would look for half a minute which way megabytes on one line are written.
const DIRECTED_CHARACTERS = 50_000;
document.addEventListener('beforeinput', (event) => {
  const text = event.data ?? event.dataTransfer?.getData('text/plain') ?? '';
  if (text.length > DIRECTED_CHARACTERS && event.target.matches?.('textarea[dir=auto]')) event.target.dir = 'ltr';
});
document.addEventListener('osmia:typed', (event) => typed(event.target.closest('form')));

document.addEventListener('click', (event) => {
  const adds = event.target.closest?.('[data-adds]:not([data-adds=""])'); // without a value it is of another screen
  if (adds) {
    const row = document.getElementById(`${adds.dataset.adds}-row`).content.cloneNode(true).firstElementChild;
    document.getElementById(adds.dataset.adds).append(row);
    row.querySelector('input').focus();
    work()?.setAttribute('data-dirty', '');
    holdStill(work());
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

// The value is copied as a whole, also when only its beginning is shown.
document.addEventListener('click', async (event) => {
  const button = event.target.closest?.('[data-copies-value]');
  if (!button) return;
  const address = button.dataset.copiesValue;
  const shown = button.closest('tr').querySelector('textarea, pre');
  try {
    const text = address ? await (await fetch(address)).text() : shown.value ?? shown.textContent;
    await navigator.clipboard.writeText(text);
    say('status', 'Copied.');
  } catch {
    say('alert', 'The browser did not allow copying. Select the text instead.');
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

// A completed task takes no comment any more.
document.addEventListener('submit', (event) => {
  const comment = document.querySelector('#comments textarea[name=text]');
  if (event.target.id !== 'task-form' || !comment?.value.trim()) return;
  event.preventDefault();
  event.stopImmediatePropagation();
  say('alert', 'Nothing was sent: your comment is not added yet. Add it, or empty its field.');
  comment.focus();
}, true);

document.addEventListener('submit', (event) => {
  if (event.target.id !== 'task-form') return;
  const wrong = [...event.target.querySelectorAll('[data-value-json]')].filter((one) => !check(one));
  if (!wrong.length) {
    clearTimeout(saving);
    saving = 0;
    return;
  }
  event.preventDefault();
  event.stopImmediatePropagation();
  for (let one = wrong[0].closest('details'); one; one = one.parentElement.closest('details')) one.open = true;
  wrong[0].focus();
}, true);

// --- drafts

let saving = 0;
let savingTo = '';
let isTypedSince = false; // since a form was sent

// While there is input, live updates leave the fields alone.
function holdStill(form) {
  document.getElementById('task-work')?.removeAttribute('data-live');
}

function typed(form) {
  if (!form?.dataset.draft) return;
  form.dataset.dirty = '';
  isTypedSince = true;
  holdStill(form);
  clearTimeout(saving);
  savingTo = form.dataset.draft;
  saving = setTimeout(saveUnsaved, DRAFT_PAUSE_MS);
}

// The form whose draft waits to be saved. The page may have gone on to another task, or to none, since something was typed.
function unsaved() {
  const form = work();
  return saving && form?.dataset.draft === savingTo ? form : null;
}

function saveUnsaved() {
  const form = unsaved();
  if (form) save(form);
}

async function save(form) {
  clearTimeout(saving);
  saving = 0;
  form.querySelectorAll('osmia-form').forEach((one) => one.write());
  const body = new URLSearchParams(new FormData(form));
  try {
    // A redirect leads to the sign-in: nothing was kept.
    const answer = await fetch(form.dataset.draft, { method: 'POST', body, redirect: 'manual', keepalive: body.toString().length < 60000 });
    if (!answer.ok || !form.isConnected) return;
  } catch {
    return; // the next change tries again
  }
  form.querySelectorAll('[data-draft-note], [data-discards]').forEach((one) => { one.hidden = false; });
  const hasFiles = [...form.querySelectorAll('osmia-form')].some((one) => one.hasUnsentFiles);
  form.querySelectorAll('[data-draft-files]').forEach((one) => { one.hidden = !hasFiles; });
}

// What was typed a moment ago is kept before the page goes on.
document.addEventListener('submit', async (event) => {
  const form = unsaved();
  if (!form || event.target === form || !event.target.closest?.('#page')) return;
  if (event.target.id === 'discard-draft') {
    clearTimeout(saving);
    saving = 0;
    return;
  }
  event.preventDefault();
  event.stopImmediatePropagation();
  const { submitter } = event;
  await save(form);
  if (submitter?.isConnected) event.target.requestSubmit(submitter);
  else event.target.requestSubmit();
}, true);
document.addEventListener('click', (event) => {
  if (event.target.closest?.('a[href]')) saveUnsaved();
}, true);
window.addEventListener('pagehide', saveUnsaved);

// The page that answers another form may have been made before something was typed here: these fields go over to it as they are.
document.addEventListener('submit', () => { isTypedSince = false; });
document.addEventListener('htmx:before:swap', ({ detail }) => {
  const page = detail?.tasks?.find((task) => task.type === 'main' && task.target?.id === 'page');
  const sent = detail?.ctx?.sourceElement;
  if (!page || !isTypedSince || !sent?.matches?.('form[method=post]') || sent.closest('#task-work, .proposals')) return; // those write a draft
  const next = page.fragment.querySelector('#task-form');
  if (next?.dataset.draft && next.dataset.draft === work()?.dataset.draft) next.closest('#task-work').setAttribute('hx-preserve', '');
  else saveUnsaved();
});

// A draft that the page brought along counts as typed. If the task goes to somebody else, the fields stay, but say so; if it
// comes back, they can be sent again.
function look() {
  const form = work();
  const head = document.getElementById('task-head');
  if (!isDirty(form) || !head) return;
  holdStill(form);
  const lost = head.dataset.mine ? '' : head.querySelector('.who').firstElementChild.textContent.trim(); // without when, and why it is listed
  if (lost === (form.dataset.lost ?? '')) return;
  form.dataset.lost = lost;
  form.querySelectorAll('[data-shortcut="Ctrl+Enter"]').forEach((one) => { one.disabled = Boolean(lost); });
  if (lost) say('alert', `This task is no longer yours (${lost}). What you typed is still here, but it cannot be sent.`);
  else say('status', 'This task is yours again. What you typed is still here.');
}
document.addEventListener('htmx:after:swap', look);
document.addEventListener('DOMContentLoaded', look);
look();

// --- snoozed tasks come back

let waking = 0;
const SLEEP_MAX_MS = 2 ** 31 - 1; // of a timer; a longer one would fire at once

function wakeInTime() {
  clearTimeout(waking);
  const wait = Number(document.getElementById('task-list')?.dataset.wakes);
  if (wait) waking = setTimeout(() => refresh(['tasks']), Math.min(wait + 50, SLEEP_MAX_MS));
}
document.addEventListener('htmx:after:swap', wakeInTime);
document.addEventListener('DOMContentLoaded', wakeInTime);
wakeInTime();

// --- selection

const chosen = () => [...document.querySelectorAll('#task-list input[name=key]')].filter((one) => one.checked);

function showSelection() {
  const bar = document.getElementById('bulk');
  if (!bar) return;
  const count = chosen().length;
  bar.hidden = !count;
  bar.querySelector('[data-selected]').textContent = `${count} selected`;
}
document.addEventListener('change', (event) => {
  if (event.target.matches?.('#task-list input[name=key]')) showSelection();
});
document.addEventListener('htmx:after:swap', showSelection);
window.addEventListener('pageshow', showSelection);
document.addEventListener('click', (event) => {
  if (!event.target.closest?.('[data-selects-none]')) return;
  chosen().forEach((one) => { one.checked = false; });
  showSelection();
});

// --- the list beside a task keeps its place

let place = 0;
document.addEventListener('htmx:before:swap', () => {
  place = document.querySelector('.tasks > .list')?.scrollTop ?? 0;
});
document.addEventListener('htmx:after:swap', () => {
  const list = document.querySelector('.tasks > .list');
  if (!list || !place) return;
  list.scrollTop = place;
});
