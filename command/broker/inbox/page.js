'use strict';
// Everything that comes from agents and servers is put in as text, never as markup.

const list = document.getElementById('list');
const details = document.getElementById('details');
const statusLine = document.getElementById('status');
let token = '';
let items = [];     // {id, kind: 'requests'|'proposals'|'tool', row}
let current = '';   // the id that is shown
let view = 'inbox';

function tell(text, bad) {
  statusLine.textContent = text;
  statusLine.className = bad ? 'bad' : '';
}

async function ask(path, body) {
  const options = body === undefined ? {} : {
    method: 'POST',
    headers: {'Content-Type': 'application/json', 'X-Inbox-Token': token},
    body: JSON.stringify(body),
  };
  const answer = await fetch(path, options);
  const json = await answer.json();
  if (!answer.ok) {
    const error = json.error || {};
    throw new Error((error.message || answer.statusText) + (error.hint ? ' — ' + error.hint : ''));
  }
  return json;
}

function element(name, text, className) {
  const made = document.createElement(name);
  if (text !== undefined) made.textContent = visible(text);
  if (className) made.className = className;
  return made;
}

// What hides, reorders or moves text is shown by its number, as the terminal shows it.
function visible(text) {
  return String(text).replace(/[\p{Cc}\p{Cf}\p{Co}\p{Cn}\p{Zl}\p{Zp}]/gu, (c) => c === '\n' || c === '\t' ? c :
    '<U+' + c.codePointAt(0).toString(16).toUpperCase().padStart(4, '0') + '>');
}

// Whole seconds suffice for people.
function moment(text) {
  return (text || '').replace(/\.\d+Z$/, 'Z');
}

function facts(pairs) {
  const dl = element('dl');
  for (const [name, value] of pairs) {
    if (value === undefined || value === null || value === '') continue;
    dl.append(element('dt', name), element('dd', value));
  }
  return dl;
}

function block(title, value) {
  const box = element('div');
  box.append(element('h3', title), element('pre', typeof value === 'string' ? value : JSON.stringify(value, null, 2)));
  return box;
}

function difference(changed) {
  const box = element('div');
  box.append(element('h3', 'Changed since the last approved call'));
  const pre = element('pre');
  for (const [name, pair] of Object.entries(changed)) {
    pre.append(element('span', name + '\n'));
    pre.append(element('span', '− ' + JSON.stringify(pair.was) + '\n', 'was'));
    pre.append(element('span', '+ ' + JSON.stringify(pair.is) + '\n', 'is'));
  }
  if (Object.keys(changed).length === 0) pre.textContent = 'nothing';
  box.append(pre);
  return box;
}

function line(item) {
  const button = element('button');
  button.type = 'button';
  button.dataset.id = item.id;
  const row = item.row;
  if (item.kind === 'requests') {
    button.append(element('strong', row.tool_id));
    const state = item.review ? 'BREAK-GLASS, not reviewed' : view === 'history' ? row.status : (row.approvers || []).length + ' of ' + row.required_approvals + ' approvals, until ' + moment(row.expires_at);
    button.append(element('small', row.agent_id + ' · ' + row.action_class + ' · ' + state));
  } else if (item.kind === 'proposals') {
    button.append(element('strong', 'Server ' + row.server_name));
    button.append(element('small', 'vetting: ' + (row.vetting_status || 'not vetted') + ' · ' + row.status));
  } else {
    button.append(element('strong', row.tool_id));
    button.append(element('small', 'changed its definition and is withheld'));
  }
  button.addEventListener('click', () => open(item.id));
  const li = element('li');
  li.append(button);
  return li;
}

function mark() {
  for (const button of list.querySelectorAll('button')) {
    button.setAttribute('aria-current', button.dataset.id === current ? 'true' : 'false');
  }
}

async function refresh() {
  try {
    if (!token) token = (await ask('/api/token')).token;
    const answer = await ask(view === 'inbox' ? '/api/inbox' : '/api/history');
    items = [
      ...answer.requests.map((row) => ({id: row.id, kind: 'requests', row})),
      ...answer.proposals.map((row) => ({id: row.id, kind: 'proposals', row})),
      ...(answer.break_glass || []).map((row) => ({id: row.id, kind: 'requests', row, review: true})),
      ...(answer.quarantine || []).map((row) => ({id: 'tool:' + row.tool_id, kind: 'tool', row})),
    ];
    const focused = list.contains(document.activeElement) ? document.activeElement.dataset.id : '';
    list.replaceChildren(...items.map(line));
    if (focused) [...list.querySelectorAll('button')].find((each) => each.dataset.id === focused)?.focus();
    if (!items.length) list.append(element('li', view === 'inbox' ? 'Nothing waits.' : 'Nothing was decided yet.'));
    mark();
  } catch (error) {
    tell(error.message, true);
  }
}

function option(value, text) {
  const made = element('option', text);
  made.value = value;
  return made;
}

function labelled(text, input) {
  const label = element('label', text);
  label.append(input);
  return label;
}

function button(text, className, act) {
  const made = element('button', text, className);
  made.type = 'button';
  made.addEventListener('click', act);
  return made;
}

async function act(path, body, done) {
  for (const each of details.querySelectorAll('button')) each.disabled = true;
  tell('Working. Your key may ask for a passphrase or a touch in the terminal.');
  try {
    tell(done(await ask(path, body)));
    current = '';
    details.replaceChildren();
    await refresh();
  } catch (error) {
    tell(error.message, true);
    for (const each of details.querySelectorAll('button')) each.disabled = false;
  }
}

function answerForm(id) {
  const form = element('form');
  form.addEventListener('submit', (event) => event.preventDefault());
  const mode = element('select');
  mode.id = 'mode';
  mode.append(option('once', 'this call, once'), option('uses', 'exactly this call, several times'),
    option('until', 'exactly this call, until a time'), option('allowlist', 'this tool with any arguments, from now on'),
    option('break_glass', 'BREAK-GLASS: any arguments, for a short time; two people, with a reason'));
  const uses = element('input');
  uses.type = 'number';
  uses.min = '1';
  uses.value = '2';
  const until = element('input');
  until.type = 'datetime-local';
  const usesLabel = labelled('How often', uses);
  const untilLabel = labelled('Until (your time)', until);
  const reason = element('input');
  reason.id = 'reason';
  reason.maxLength = 1000;
  const choose = () => {
    usesLabel.hidden = mode.value !== 'uses';
    untilLabel.hidden = mode.value !== 'until';
  };
  mode.addEventListener('change', choose);
  choose();
  const approve = button('Approve', 'approve', () => {
    const body = {mode: mode.value, reason: reason.value};
    if (mode.value === 'break_glass' && !reason.value.trim()) {
      reason.focus();
      return tell('Say why: it is told to everybody at once.', true);
    }
    if (mode.value === 'uses') body.uses = Number(uses.value);
    if (mode.value === 'until') {
      const time = new Date(until.value);
      if (isNaN(time)) return tell('Say until when.', true);
      body.until = time.toISOString();
    }
    act('/api/requests/' + id + '/approve', body, (answer) => answer.status === 'approved' ? 'Approved: ' + answer.mode :
      'Approved by ' + answer.approvals + ' of ' + answer.required_approvals + '; it waits for others.');
  });
  const reject = button('Reject', 'reject', () => {
    if (!reason.value.trim()) {
      reason.focus();
      return tell('Say why: the agent is told.', true);
    }
    act('/api/requests/' + id + '/reject', {reason: reason.value}, () => 'Rejected.');
  });
  const actions = element('div', undefined, 'actions');
  actions.append(approve, reject);
  form.append(labelled('Approve', mode), usesLabel, untilLabel, labelled('Reason', reason), actions);
  return form;
}

function proposalForm(id, version, passed) {
  const form = element('form');
  form.addEventListener('submit', (event) => event.preventDefault());
  const reason = element('input');
  reason.id = 'reason';
  reason.maxLength = 1000;
  const path = '/api/proposals/' + id;
  const needed = (go) => () => {
    if (!reason.value.trim()) {
      reason.focus();
      return tell('Say why, for the record.', true);
    }
    go();
  };
  const said = (answer) => answer.needs ? 'Noted; it needs a second person.' : 'Done: ' + answer.status;
  const actions = element('div', undefined, 'actions');
  if (passed) {
    actions.append(button('Admit', 'approve', () => act(path + '/approve', {reason: reason.value, version}, said)));
  } else {
    actions.append(button('Override vetting', 'approve', needed(() => act(path + '/override', {reason: reason.value, version}, said))));
  }
  actions.append(button('Reject', 'reject', needed(() => act(path + '/reject', {reason: reason.value, version}, said))));
  form.append(labelled('Reason', reason), actions);
  return form;
}

function showRequest(row) {
  details.append(element('h2', row.summary), block('Arguments (secrets masked)', row.args));
  if (row.since_last_approved) details.append(difference(row.since_last_approved));
  details.append(facts([
    ['Tool', row.tool_id], ['Agent', row.agent_id], ['Class', row.action_class], ['Rule', row.rule],
    ['Asked', moment(row.requested_at)], ['Until', moment(row.expires_at)], ['Status', row.status],
    ['Approvals', (row.approvers || []).length + ' of ' + row.required_approvals + (row.approvers && row.approvers.length ? ': ' + row.approvers.join(', ') : '')],
    ['Reason', row.reason], ['Arguments’ digest', row.args_digest]]));
  if (row.definition) details.append(block('The tool, as its server defined it', row.definition));
  if (row.server) details.append(block('Its server, as vetting found it', row.server));
  if (row.status === 'pending') details.append(answerForm(row.id));
  if (row.mode === 'break_glass' && row.status === 'used' && !row.review) details.append(reviewForm(row.id));
}

function reviewForm(id) {
  const form = element('form');
  form.addEventListener('submit', (event) => event.preventDefault());
  const reason = element('input');
  reason.id = 'reason';
  reason.maxLength = 1000;
  const actions = element('div', undefined, 'actions');
  actions.append(button('Reviewed', 'approve', () => act('/api/requests/' + id + '/review', {reason: reason.value}, () => 'Reviewed.')));
  form.append(labelled('What you found', reason), actions);
  return form;
}

function showProposal(row) {
  details.append(element('h2', 'Server ' + row.server_name), facts([
    ['Source', row.source + ' ' + row.source_id], ['Version', row.version], ['Proposed by', row.proposed_by], ['Digest', row.digest],
    ['Vetting', row.vetting_status || 'not vetted'], ['Status', row.status]]));
  if (row.decisions && row.decisions.length) details.append(block('Decisions so far', row.decisions));
  if (row.vetting_report) details.append(block('Vetting report', row.vetting_report));
  if (row.status === 'pending') details.append(proposalForm(row.id, row.version, ['pass', 'warn', 'definitions'].includes(row.vetting_status)));
}

async function open(id) {
  const item = items.find((each) => each.id === id);
  if (!item) return;
  current = id;
  mark();
  try {
    const row = item.kind === 'tool' ? item.row : await ask('/api/' + item.kind + '/' + id);
    if (current !== id) return;
    details.replaceChildren();
    if (item.kind === 'requests') showRequest(row);
    if (item.kind === 'proposals') showProposal(row);
    if (item.kind === 'tool') {
      details.append(element('h2', row.tool_id), block('Pinned', row.pinned), block('Offered now', row.offered),
        element('p', 'countersign broker quarantine --accept ' + row.tool_id + ' --digest ' + row.offered_digest + ' --reason TEXT takes the new definition.'));
    }
    details.focus();
    tell('');
  } catch (error) {
    tell(error.message, true);
  }
}

function step(by) {
  if (!items.length) return;
  const at = items.findIndex((each) => each.id === current);
  open(items[Math.min(items.length - 1, Math.max(0, at + by))].id);
}

function show(which) {
  view = which;
  current = '';
  details.replaceChildren();
  document.getElementById('show-inbox').setAttribute('aria-pressed', String(which === 'inbox'));
  document.getElementById('show-history').setAttribute('aria-pressed', String(which === 'history'));
  refresh();
}

document.getElementById('show-inbox').addEventListener('click', () => show('inbox'));
document.getElementById('show-history').addEventListener('click', () => show('history'));
document.addEventListener('keydown', (event) => {
  if (event.ctrlKey || event.altKey || event.metaKey || event.target.closest('input, select, textarea')) return;
  const press = (selector) => {
    const found = details.querySelector(selector);
    if (found) found.focus();
  };
  if (event.key === 'j') step(1);
  if (event.key === 'k') step(-1);
  if (event.key === 'u') refresh();
  if (event.key === 'a') press('.approve');
  if (event.key === 'r') press('#reason');
});
refresh();
setInterval(() => { if (!document.hidden && view === 'inbox') refresh(); }, 10000);
