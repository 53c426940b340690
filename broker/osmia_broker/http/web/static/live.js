// Live updates. The broker says which topics have changed; every region with `data-live` about one of them is asked for again and merged into
// the page, without moving the focus, the scroll position or what is being typed.
//
//   <div id="page" data-topics="incidents tasks">      the topics of the whole page
//   <ul id="task-list" data-live="tasks">              a region that follows a topic; it needs an id
//   <ul … data-live-shows>                             before it changes under the pointer, it says how many rows are new

import { say, sayBack } from './said.js';

let source = null;
let topics = '';
let shown = null; // the page that the stream was opened for
let lastId = '';
let broken = false;
const ASKED_BY_NOBODY = { 'HX-Request': 'true', 'Osmia-Live': 'true' };
let waiting = new Set();
let refreshing = false;

function connect() {
  const page = document.getElementById('page');
  if (!('liveHere' in document.body.dataset)) return;
  const wanted = page?.dataset.topics?.split(/\s+/).filter(Boolean).join(' ') ?? '';
  if (source && wanted === topics && page === shown) return;
  shown = page;
  lastId = page?.dataset.position ?? lastId; // what happened since the page was made is not on it
  source?.close();
  topics = wanted;
  const query = new URLSearchParams({ topics, ...(lastId && { after: lastId }) });
  source = new EventSource(`/events?${query}`);
  source.addEventListener('ready', heard);
  source.addEventListener('again', (event) => { heard(event); refresh(null); });
  source.addEventListener('changed', (event) => { heard(event); refresh(event.data.split(' ')); });
  source.addEventListener('error', lost);
}

function heard(event) {
  lastId = event.lastEventId;
  if (!broken) return;
  broken = false;
  sayBack();
  refresh(null);
}

function lost() {
  if (!broken) say('wait', 'Connection lost. Reconnecting…', { isAway: true });
  broken = true;
  if (source.readyState !== EventSource.CLOSED) return; // the browser tries again by itself
  source = null;
  askWhy();
  setTimeout(connect, 2000);
}


// A stream that was refused: the session may have ended.
async function askWhy() {
  try {
    const answer = await fetch('/status', { headers: ASKED_BY_NOBODY });
    if (new URL(answer.url).pathname === '/login') say('alert', 'You are not signed in any more. Sign in in another tab and go on here: what you typed is kept.');
  } catch {
    // the broker is away
  }
}

// --- refreshing

// Ask for the regions about *changed* topics again; null for all regions.
export async function refresh(changed) {
  for (const one of changed ?? ['*']) waiting.add(one);
  if (refreshing) return;
  refreshing = true;
  try {
    while (waiting.size) {
      const now = waiting;
      waiting = new Set();
      await refreshOnce(now);
    }
  } finally {
    refreshing = false;
  }
}

async function refreshOnce(changed) {
  const address = location.pathname + location.search;
  const regions = () => [...document.querySelectorAll('[data-live]')].filter(
    (one) => one.id && (changed.has('*') || one.dataset.live.split(' ').some((topic) => changed.has(topic))));
  if (!regions().length) return;
  let text;
  try {
    const answer = await fetch(address, { headers: ASKED_BY_NOBODY });
    if (!answer.ok && answer.status !== 404) return;
    text = await answer.text();
  } catch {
    return; // the stream notices that the broker is away
  }
  const fresh = new DOMParser().parseFromString(text, 'text/html');
  for (const region of regions()) {
    if (address !== location.pathname + location.search) return; // the person has gone on, maybe while another region was merged
    const next = fresh.getElementById(region.id);
    if (!next || next.isEqualNode(region)) continue;
    if (region.querySelector('dialog[open]') || holdsBack(region, next)) continue;
    await window.htmx.swap({ text: next.outerHTML, target: `#${CSS.escape(region.id)}`, swap: 'outerMorph', sourceElement: region });
  }
}

// What is around a dialog is left alone while somebody is at it.
document.addEventListener('close', (event) => {
  if (event.target.closest?.('[data-live]')) refresh(null);
}, true);

// A list that would jump under the pointer offers its new rows instead.
function holdsBack(region, next) {
  if (!('liveShows' in region.dataset) || !region.matches(':hover')) return false;
  const known = new Set([...region.querySelectorAll('[data-row]')].map((one) => one.dataset.row));
  const rows = [...next.querySelectorAll('[data-row]')].map((one) => one.dataset.row);
  const added = rows.filter((one) => !known.has(one)).length;
  if (!added) return false;
  const offer = document.getElementById(`${region.id}-offer`);
  if (!offer) return false;
  offer.hidden = false;
  offer.querySelector('[data-count]').textContent = `${added} new ${added === 1 ? region.dataset.liveShows : `${region.dataset.liveShows}s`}`;
  return true;
}

document.addEventListener('click', (event) => {
  const offer = event.target.closest?.('[data-offer]');
  if (!offer) return;
  offer.hidden = true;
  refresh(null);
});

// --- life

document.addEventListener('htmx:after:swap', connect);
document.addEventListener('visibilitychange', () => {
  if (!document.hidden) connect();
});
window.addEventListener('pagehide', () => { source?.close(); source = null; });
window.addEventListener('pageshow', connect);
