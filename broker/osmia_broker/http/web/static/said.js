// Messages: of success in the region with the role `status`, of refusal in one with the role `alert`. Screen readers hear both.
//
// They lie at the lower left, where neither the header nor a mark of bpmn.io is, and take no room, so that nothing moves under the pointer. A message
// of success goes by itself, unless somebody is at it, and with it the button that takes something back, because the broker allows that as long; one of
// refusal stays until it is closed.

const SHOWN_MS = 10_000; // no longer than the broker lets a step be taken back
let shown = null; // the message that the clock runs for
let clock = 0;

// *kind* is `status`, `alert`, or `wait`: a status that is no success and stays. What is said because the broker is away goes when it is back.
export function say(kind, text, { isAway = false } = {}) {
  const said = document.getElementById('said');
  const status = document.getElementById('said-status');
  if (!said || !status) return;
  for (const one of said.querySelectorAll('[role=alert], [data-of-alert]')) one.remove();
  said.querySelector('form')?.remove();
  said.classList.toggle('wait', kind === 'wait');
  said.toggleAttribute('data-away', isAway);
  status.textContent = kind === 'alert' ? '' : text;
  if (kind === 'alert') {
    const alert = document.createElement('div');
    alert.setAttribute('role', 'alert');
    alert.textContent = text;
    status.after(alert);
  }
  wind(said);
}

export function sayBack() {
  if (document.getElementById('said')?.hasAttribute('data-away')) say('status', '');
}

function wind(said) {
  clearTimeout(clock);
  shown = said;
  const passes = said?.querySelector('[role=status]').textContent.trim() && !said.classList.contains('wait');
  if (passes) clock = setTimeout(() => pass(said), SHOWN_MS);
}

function pass(said) {
  if (!said.isConnected) return; // the next page has come, with a message of its own
  const undo = said.querySelector('form');
  if (undo?.contains(document.activeElement)) document.getElementById('main')?.focus({ preventScroll: true });
  undo?.remove();
  if (!undo && said.matches(':hover, :focus-within')) wind(said);
  else say('status', '');
}

// Each page brings a place for messages of its own; a live update does not. So this is where it is known that a page has come: `osmia:answered`.
function noticeNewPage() {
  const said = document.getElementById('said');
  if (said === shown) return;
  wind(said);
  document.dispatchEvent(new CustomEvent('osmia:answered'));
}
document.addEventListener('htmx:after:swap', noticeNewPage);
noticeNewPage();

document.addEventListener('click', (event) => {
  if (!event.target.closest?.('[data-hushes]')) return;
  say('status', '');
  document.getElementById('main')?.focus({ preventScroll: true });
});
