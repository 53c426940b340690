// Relative times grow older, and what has run for some time runs on.

// As in rendering.py.
const UNITS = [['second', 1, 60], ['minute', 60, 3600], ['hour', 3600, 86400], ['day', 86400, Infinity]];

function relative(then) {
  const seconds = (Date.now() - then) / 1000;
  if (Math.abs(seconds) > 30 * 86400) return null;
  const rounded = UNITS.map(([name, size, end]) => ({ name, size, end, count: Math.floor(Math.abs(seconds) / size + 0.5) }));
  const { count, name } = rounded.find((one) => one.count * one.size < one.end);
  if (!count) return 'just now';
  const span = `${count} ${name}${count === 1 ? '' : 's'}`;
  return seconds > 0 ? `${span} ago` : `in ${span}`;
}

// How long something has run, as rendering.py writes it.
function duration(begun) {
  let seconds = (Date.now() - begun) / 1000;
  if (seconds < 60) return `${(Math.floor(Math.max(seconds, 0) * 10) / 10).toFixed(1)} s`;
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
