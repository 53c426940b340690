// Keyboard shortcuts. Never while somebody is typing, and never instead of a key that the browser needs.
//
// A list marks its rows with `data-row` and the link in each with `data-row-link`; a button says with data-shortcut="c" which key presses it.

const PLACES = { t: '/tasks', p: '/processes', i: '/instances', n: '/incidents' };
let goes = false;
let goesTimer = 0;

const isTyping = (target) => target.closest?.('input:not([type=checkbox]):not([type=button]):not([type=submit]), textarea, select, [contenteditable], .fjs-container');

document.addEventListener('keydown', (event) => {
  if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) {
    press('Ctrl+Enter', event);
    return;
  }
  if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target) || document.querySelector('dialog[open]')) return;
  if (goes) {
    goes = false;
    const place = PLACES[event.key];
    if (place) {
      event.preventDefault();
      open(place);
    }
    return;
  }
  if (event.key === 'g') {
    goes = true;
    clearTimeout(goesTimer);
    goesTimer = setTimeout(() => { goes = false; }, 1500);
  } else if (event.key === 'j' || event.key === 'k') {
    move(event.key === 'j' ? 1 : -1, event);
  } else if (event.key === '/') {
    const search = document.querySelector('#main input[type=search]') ?? document.getElementById('search-everything');
    if (search) {
      event.preventDefault();
      search.focus();
      search.select();
    }
  } else if (event.key === '?') {
    document.getElementById('keyboard')?.showModal();
  } else if (event.key === 'Enter' && event.target.matches?.('#main input[type=checkbox][form], #main input[type=checkbox][data-all]')) {
    event.preventDefault(); // a browser would do the first thing that can be done to the chosen rows
    event.target.closest('[data-row]')?.querySelector('[data-row-link]')?.click();
  } else {
    press(event.key, event);
  }
});

// A link that looks like a button is pressed like one.
document.addEventListener('keydown', (event) => {
  if (event.key !== ' ' || !event.target.matches?.('a[role=button]')) return;
  event.preventDefault();
  event.target.click();
});

function open(address) {
  const link = document.querySelector(`#main-navigation a[href="${address}"]`);
  if (link) link.click();
  else location.assign(address);
}

function move(step, event) {
  const links = [...document.querySelectorAll('#main [data-row-link]')].filter((one) => one.checkVisibility());
  if (!links.length) return;
  event.preventDefault();
  const focused = links.indexOf(document.activeElement);
  const here = focused < 0 ? links.findIndex((one) => one.getAttribute('aria-current') === 'true') : focused; // the row that is open
  const next = here < 0 ? (step > 0 ? 0 : links.length - 1) : Math.min(Math.max(here + step, 0), links.length - 1);
  links[next].focus();
  links[next].scrollIntoView({ block: 'nearest' });
}

function press(key, event) {
  const button = [...document.querySelectorAll('#main [data-shortcut]')].find((one) => one.dataset.shortcut === key && one.checkVisibility());
  if (!button || button.disabled) return;
  event.preventDefault();
  button.click();
}
