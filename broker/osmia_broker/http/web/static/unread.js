// What a form of form-js cannot have among its values yet: texts that mean nothing, and files that are not stored. The tab keeps the texts, so that a
// reload takes nothing of them, and the names of the files, which must be chosen again then.

import { draftOf, forget, keep, kept, keptAs } from './kept.js';
import { guard, unreadTexts } from './spellings.js';

const chooseAgain = (names) => `Choose ${names.join(', ')} again: a browser forgets files that were chosen when the page is loaded anew.`;

let discarded = null; // the form of which everything was taken back

// Bring back what was kept, and keep what is typed and chosen from now on, until `signal` ends it; return what keeps it at once. `tell` lets one field
// say what is wrong with it, `mark` several; `unsent` gives the pickers of files, each with its place, its files, and the names of those not stored.
export function follow(element, { signal, tell, mark, unsent }) {
  const { form } = element;
  const key = `${keptAs(element.closest('form'))}unread ${element.dataset.into}\n`;
  const { texts = {}, files = {} } = 'readonly' in element.dataset ? {} : JSON.parse(kept(key) ?? '{}');
  guard(form, element, { signal, tell, before: texts });
  const missing = unsent().filter(({ place, files: chosen }) => place.join() in files && !chosen.length);
  mark(missing.map(({ place }) => ({ place, text: chooseAgain(files[place.join()]) })));
  const keepNow = () => {
    if (!element.isConnected || signal.aborted || discarded === element.closest('form') || 'readonly' in element.dataset) return;
    const named = unsent().map(({ place, files: chosen, names }) => [place.join(), chosen.length ? names : files[place.join()] ?? []]);
    const now = { texts: unreadTexts(form, element), files: Object.fromEntries(named.filter(([, names]) => names.length)) };
    keep(key, Object.values(now).some((one) => Object.keys(one).length) ? JSON.stringify(now) : null);
  };
  for (const kind of ['input', 'change', 'focusout', 'click']) {
    element.addEventListener(kind, () => setTimeout(keepNow), { capture: true, signal });
  }
  for (const kind of ['focusin', 'click']) element.addEventListener(kind, shiftCalendar, { signal });
  return keepNow;
}

// Who discards a draft discards these, too. What the viewer still reads of it until the next page comes is not kept.
document.addEventListener('submit', ({ target }) => {
  const form = target.id === 'discard-draft' && document.getElementById('task-form');
  if (!form) return;
  discarded = form;
  forget(draftOf(form));
});

// The calendar of a date is as wide as a phone. It stays in the window.
function shiftCalendar({ target }) {
  requestAnimationFrame(() => {
    const calendar = target._flatpickr?.calendarContainer;
    if (!calendar) return;
    calendar.style.marginLeft = '';
    const beyond = calendar.getBoundingClientRect().right - document.documentElement.clientWidth + 8;
    if (beyond > 0) calendar.style.marginLeft = `${-beyond}px`;
  });
}
