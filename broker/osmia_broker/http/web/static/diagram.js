// <osmia-diagram>: a BPMN diagram with the numbers of tokens on its elements, the flows that were taken, and one element marked.
//
//   <osmia-diagram data-source="/processes/2251799813685250/xml" class="canvas" hx-morph-skip-children
//     data-tokens='[{"elementId": "ask", "active": 1, "incident": 0, "completed": 0, "canceled": 0}]'
//     data-taken='["flow_1"]' data-marked="ask" data-filters></osmia-diagram>
//
// Changed attributes change the badges in place. With data-filters, a click or Enter on an element shows the page for that element only,
// by the parameter `element` of the address; on the marked element it shows all again.

import { loadScript, loadStyle } from './bundles.js';

const STATES = ['active', 'incident', 'completed', 'canceled'];
const SIDES = { active: { bottom: 12, left: -10 }, incident: { top: -12, right: 14 }, completed: { bottom: 12, right: 14 }, canceled: { top: -12, left: -10 } };
// At an event or a gateway a badge stands above it: the name is below.
const SMALL_SIDES = { active: { top: -12, left: -10 }, incident: { bottom: 12, left: -10 }, completed: { top: -12, right: 14 }, canceled: { bottom: 12, right: 14 } };
const SMALL = 60; // a task is 100 wide, an event 36, a gateway 50
const CLEAR = 0.5; // below this scale nobody can read a name
const STYLES = ['diagram-js.css', 'bpmn-js.css', 'bpmn-font/css/bpmn.css'];

// Load the viewer, only if the page has a diagram.
async function loadViewer() {
  STYLES.forEach((name) => loadStyle(`bpmn-js/dist/assets/${name}`));
  await loadScript('bpmn-js/dist/bpmn-navigated-viewer.production.min.js');
  return window.BpmnJS;
}

function read(text, otherwise) {
  try {
    return JSON.parse(text) ?? otherwise;
  } catch {
    return otherwise;
  }
}

class Diagram extends HTMLElement {
  static observedAttributes = ['data-source', 'data-tokens', 'data-taken', 'data-marked'];

  // htmx asks this before it merges an element's content. What the viewer has drawn must stay, even where a page forgot to say so.
  matches(selector) {
    return selector === '[hx-morph-skip-children]' || super.matches(selector);
  }

  connectedCallback() {
    if (this.watch) return;
    // A diagram that is not shown has no size, and nothing fits into it: it is drawn when it first has one.
    this.watch = new ResizeObserver(() => this.resized());
    this.watch.observe(this);
  }

  disconnectedCallback() {
    this.watch?.disconnect();
    this.watch = null;
    this.forget();
  }

  attributeChangedCallback(name, before, after) {
    if (before === after || !this.viewer) return;
    if (name === 'data-source') {
      this.forget();
      this.resized();
    } else if (name === 'data-tokens') this.showTokens();
    else if (name === 'data-taken') this.showTaken();
    else this.showMarked();
  }

  forget() {
    this.viewer?.destroy();
    this.viewer = null;
    this.begun = false;
    this.replaceChildren();
  }

  resized() {
    const { clientWidth: width, clientHeight: height } = this;
    if (!width || !height) return;
    if (!this.begun) {
      this.begun = true;
      this.draw();
    } else if (this.viewer && this.width && this.width !== width) {
      this.canvas.resized();
      this.fit();
    }
    this.width = width;
  }

  async draw() {
    const source = this.dataset.source;
    const ground = document.createElement('div');
    ground.className = 'canvas-ground';
    this.replaceChildren(ground);
    let viewer = null;
    try {
      const [Viewer, xml] = await Promise.all([loadViewer(), this.fetchXml(source)]);
      if (!this.watch || source !== this.dataset.source) return; // it is gone, or shows something else by now
      viewer = new Viewer({ container: ground, zoomScroll: { enabled: false } });
      await viewer.importXML(xml);
      if (!this.watch || source !== this.dataset.source) {
        viewer.destroy();
        return;
      }
      this.viewer = viewer;
      this.canvas = viewer.get('canvas');
      this.elements = viewer.get('elementRegistry');
      this.overlays = viewer.get('overlays');
      this.addButtons();
      this.addKeyboard();
      this.addWheel(ground);
      if (this.hasAttribute('data-filters')) viewer.get('eventBus').on('element.click', (event) => this.chose(event.element));
      this.badges = new Map();
      this.showTokens();
      this.showTaken();
      this.showMarked();
      this.begin();
      this.setAttribute('data-drawn', '');
    } catch (fault) {
      viewer?.destroy();
      this.viewer = null;
      this.explain(fault);
    }
  }

  async fetchXml(source) {
    const answer = await fetch(source);
    if (!answer.ok) throw new Error(answer.status === 404 ? 'its model is not there any more' : `the broker answered ${answer.status}`);
    return answer.text();
  }

  explain(fault) {
    const text = document.createElement('p');
    text.className = 'canvas-fault';
    const reason = String(fault?.message ?? fault).split('\n')[0].slice(0, 200);
    text.textContent = `This process cannot be drawn: ${reason}. The list of tokens shows the same as text.`;
    this.replaceChildren(text);
  }

  // --- what is shown on the elements

  showTokens() {
    const wanted = new Map();
    for (const one of read(this.dataset.tokens, [])) {
      for (const state of STATES) if (one[state] > 0) wanted.set(`${state} ${one.elementId}`, { id: one.elementId, state, count: one[state] });
    }
    for (const [place, badge] of this.badges) {
      if (wanted.has(place)) continue;
      this.overlays.remove(badge.overlay);
      this.badges.delete(place);
    }
    for (const [place, { id, state, count }] of wanted) {
      if (!this.elements.get(id)) continue;
      const known = this.badges.get(place) ?? this.addBadge(place, id, state);
      const label = `${count} ${state}`;
      if (known.html.getAttribute('aria-label') === label) continue;
      known.html.setAttribute('aria-label', label);
      known.html.title = label;
      known.html.textContent = count;
    }
  }

  addBadge(place, id, state) {
    const html = document.createElement('div');
    html.className = 'badge';
    html.setAttribute('role', 'img');
    html.dataset.elementId = id;
    html.dataset.tokenState = state;
    if (this.hasAttribute('data-filters')) html.addEventListener('click', () => this.chose(this.elements.get(id)));
    const sides = this.elements.get(id).width < SMALL ? SMALL_SIDES : SIDES;
    const overlay = this.overlays.add(id, 'tokens', { position: sides[state], html, scale: { min: 0.8, max: 1.2 } });
    const badge = { overlay, html };
    this.badges.set(place, badge);
    return badge;
  }

  showTaken() {
    const taken = new Set(read(this.dataset.taken, []));
    this.elements.forEach((element, graphics) => {
      if (element.waypoints) graphics.classList.toggle('taken', taken.has(element.id));
    });
  }

  showMarked() {
    const id = this.dataset.marked;
    this.elements.forEach((element, graphics) => {
      const isMarked = Boolean(id) && element.id === id;
      graphics.classList.toggle('marked', isMarked);
      if (graphics.getAttribute('role') === 'button') graphics.setAttribute('aria-pressed', String(isMarked));
    });
  }

  // --- the place

  // Show everything; but where that is too small to read, show the beginning of what matters.
  begin() {
    this.fit();
    if (this.canvas.zoom() >= CLEAR) return;
    const waiting = read(this.dataset.tokens, []).filter((one) => one.active || one.incident).map((one) => one.elementId);
    const element = [this.dataset.marked, ...waiting].map((id) => id && this.elements.get(id)).find((one) => one && !one.waypoints);
    if (!element) return;
    const scale = Math.min(1, CLEAR + 0.15);
    const { width, height } = this.canvas.getContainer().getBoundingClientRect();
    this.canvas.viewbox({
      x: element.x + element.width / 2 - width / scale / 2,
      y: element.y + element.height / 2 - height / scale / 2,
      width: width / scale,
      height: height / scale,
    });
  }

  fit() {
    this.canvas.zoom('fit-viewport', 'auto');
    const { width, height, inner } = this.canvas.viewbox();
    if (!inner.width) return;
    // A little room at the edges: badges stand out, and the mark of bpmn.io is at the lower right.
    const factor = Math.max(1, (inner.width + 60) / width, (inner.height + 90) / height);
    this.canvas.viewbox({
      x: inner.x + inner.width / 2 - (width * factor) / 2,
      y: inner.y + inner.height / 2 - (height * factor) / 2,
      width: width * factor,
      height: height * factor,
    });
  }

  addButtons() {
    const bar = document.createElement('div');
    bar.className = 'canvas-buttons';
    const actions = { 'Zoom in': ['+', () => this.zoom(1.25)], 'Zoom out': ['−', () => this.zoom(0.8)], Fit: ['Fit', () => this.fit()] };
    for (const [name, [text, act]] of Object.entries(actions)) {
      const button = Object.assign(document.createElement('button'), { type: 'button', textContent: text, title: name });
      button.setAttribute('aria-label', name);
      button.addEventListener('click', act);
      bar.append(button);
    }
    this.append(bar);
  }

  zoom(factor) {
    this.canvas.zoom(Math.min(4, Math.max(0.1, this.canvas.zoom() * factor)), 'auto');
  }

  // The wheel scrolls the page; with Ctrl it zooms, as everywhere.
  addWheel(ground) {
    ground.addEventListener('wheel', (event) => {
      if (!event.ctrlKey && !event.metaKey) return;
      event.preventDefault();
      const { left, top } = ground.getBoundingClientRect();
      const scale = Math.min(4, Math.max(0.1, this.canvas.zoom() * (event.deltaY < 0 ? 1.1 : 1 / 1.1)));
      this.canvas.zoom(scale, { x: event.clientX - left, y: event.clientY - top });
    }, { passive: false });
  }

  // --- elements

  // One element is in the tab order; arrow keys go on from there.
  addKeyboard() {
    if (!this.hasAttribute('data-filters')) return;
    const nodes = this.elements.filter((one) => !one.waypoints && !one.labelTarget && one.parent)
      .sort((one, other) => one.x - other.x || one.y - other.y);
    const graphics = nodes.map((one) => this.elements.getGraphics(one));
    const names = new Map(nodes.map((one) => [one.id, one.businessObject?.name || one.id]));
    graphics.forEach((one, place) => {
      one.setAttribute('tabindex', place ? '-1' : '0');
      one.setAttribute('role', 'button');
      one.setAttribute('aria-label', names.get(nodes[place].id));
      one.setAttribute('aria-pressed', 'false');
    });
    const steps = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 };
    this.canvas.getContainer().addEventListener('keydown', (event) => {
      const here = graphics.indexOf(event.target);
      if (here < 0 || event.ctrlKey || event.metaKey || event.altKey) return;
      const step = steps[event.key];
      if (step) {
        const next = Math.min(Math.max(here + step, 0), graphics.length - 1);
        graphics[here].setAttribute('tabindex', '-1');
        graphics[next].setAttribute('tabindex', '0');
        graphics[next].focus({ preventScroll: true });
        this.canvas.scrollToElement(nodes[next], 40);
      } else if (event.key === 'Enter' || event.key === ' ') this.chose(nodes[here]);
      else return;
      event.preventDefault();
      event.stopPropagation();
    }, true);
  }

  chose(element) {
    if (!element) return;
    const shown = element.labelTarget ?? element;
    const isGround = !shown.parent;
    const address = new URL(location.href);
    if (isGround && !address.searchParams.has('element')) return;
    if (isGround || shown.id === this.dataset.marked) address.searchParams.delete('element');
    else address.searchParams.set('element', shown.id);
    this.go(address.pathname + address.search);
  }

  // Ask for the page of one element. It is merged into this one, so that the diagram and the focus stay.
  go(address) {
    window.htmx.ajax('GET', address, { target: '#page', select: '#page', swap: 'outerMorph show:none', push: 'true' });
  }
}

customElements.define('osmia-diagram', Diagram);
