// The task list and a task: what is unfolded, tabs, comments, snoozing, selection. What is typed is for form.js, variables.js, drafts.js.

import './form.js';
import { refresh } from './live.js';
import { say } from './said.js';

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

// --- comments

// A completed task takes no comment any more.
document.addEventListener('submit', (event) => {
  const comment = document.querySelector('#comments textarea[name=text]');
  if (event.target.id !== 'task-form' || !comment?.value.trim()) return;
  event.preventDefault();
  event.stopImmediatePropagation();
  say('alert', 'Nothing was sent: your comment is not added yet. Add it, or empty its field.');
  comment.focus();
}, true);

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
