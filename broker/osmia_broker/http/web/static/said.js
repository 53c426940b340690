// Messages: of success in the region with the role `status`, of refusal in one with the role `alert`. Screen readers hear both.

export function say(kind, text) {
  const said = document.getElementById('said');
  const status = document.getElementById('said-status');
  if (!said || !status) return;
  said.querySelector('[role=alert]')?.remove();
  status.textContent = kind === 'status' ? text : '';
  if (kind !== 'alert') return;
  const alert = document.createElement('div');
  alert.setAttribute('role', 'alert');
  alert.textContent = text;
  said.append(alert);
}
