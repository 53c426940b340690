// Relative times grow older, and what has run for some time runs on.

const UNITS = [['day', 86400], ['hour', 3600], ['minute', 60], ['second', 1]];

function relative(then) {
  const seconds = (Date.now() - then) / 1000;
  if (Math.abs(seconds) > 30 * 86400) return null;
  const unit = UNITS.find(([, size]) => Math.abs(seconds) >= size);
  if (!unit) return 'just now';
  const count = Math.floor(Math.abs(seconds) / unit[1]);
  const span = `${count} ${unit[0]}${count === 1 ? '' : 's'}`;
  return seconds > 0 ? `${span} ago` : `in ${span}`;
}

// How long something has run, as rendering.py writes it.
function duration(begun) {
  let seconds = (Date.now() - begun) / 1000;
  if (seconds < 60) return `${Math.max(seconds, 0).toFixed(1)} s`;
  const parts = [];
  for (const [sign, size] of [['d', 86400], ['h', 3600], ['min', 60], ['s', 1]]) {
    const number = Math.floor(seconds / size);
    seconds -= number * size;
    if (number) parts.push(`${number} ${sign}`);
  }
  return parts.slice(0, 2).join(' ');
}

setInterval(() => {
  for (const one of document.querySelectorAll('[data-since]')) one.textContent = duration(Date.parse(one.dataset.since));
  for (const one of document.querySelectorAll('time[datetime]')) {
    const text = relative(Date.parse(one.dateTime.split('[')[0]));
    if (text && one.textContent !== text) one.textContent = text;
  }
}, 20_000);
