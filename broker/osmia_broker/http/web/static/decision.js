// <osmia-decision data-source="/decisions/7/xml" data-decision="discount">: the table or the graph of a decision, by dmn-js.

import { loadScript, loadStyle } from './bundles.js';

const STYLES = ['diagram-js.css', 'dmn-js-shared.css', 'dmn-js-drd.css', 'dmn-js-decision-table.css', 'dmn-js-literal-expression.css', 'dmn-js-boxed-expression.css', 'dmn-font/css/dmn.css'];

class OsmiaDecision extends HTMLElement {
  async connectedCallback() {
    if (this.viewer || this.loading) return;
    this.loading = true;
    try {
      STYLES.forEach((name) => loadStyle(`dmn-js/dist/assets/${name}`));
      const [answer] = await Promise.all([fetch(this.dataset.source), loadScript('dmn-js/dist/dmn-navigated-viewer.production.min.js')]);
      const xml = await answer.text();
      if (!this.isConnected) return;
      this.textContent = '';
      this.viewer = new window.DmnJS({ container: this, width: '100%', height: 420 });
      await this.viewer.importXML(xml);
      const views = this.viewer.getViews();
      const own = views.find((one) => one.element.id === this.dataset.decision) ?? views[0];
      if (own) await this.viewer.open(own);
      this.querySelector('.tjs-table-container')?.setAttribute('tabindex', '0'); // it scrolls, so the keyboard must reach it
    } catch (error) {
      this.textContent = 'This decision cannot be drawn. Evaluating it still works.';
    } finally {
      this.loading = false;
    }
  }

  disconnectedCallback() {
    this.viewer?.destroy();
    this.viewer = null;
  }
}

customElements.define('osmia-decision', OsmiaDecision);
