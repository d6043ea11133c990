// What both pages share: ask, show a table, say what came of it.
const by = (id) => document.getElementById(id);

async function ask(method, path, body) {
  const response = await fetch(path, {
    method,
    headers: body === undefined ? {} : { 'content-type': 'application/json' },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  const text = await response.text();
  let answer = text;
  try { answer = JSON.parse(text); } catch { /* not JSON: shown as it is */ }
  if (!response.ok) throw new Error(typeof answer === 'string' ? answer : JSON.stringify(answer));
  return answer;
}

function say(text, wrong = false) {
  by('said').textContent = text;
  by('said').className = wrong ? 'wrong' : '';
}

/** Runs something, says what came of it, and looks again. */
async function act(what, work) {
  try {
    const answer = await work();
    say(what + (answer && typeof answer === 'object' && Object.keys(answer).length ? ': ' + JSON.stringify(answer) : ''));
  } catch (error) {
    say(what + ' was refused: ' + error.message, true);
  }
  await look();
}

function shown(value) {
  if (value === null || value === undefined) return '';
  return Array.isArray(value) ? value.length + ' rows' : typeof value === 'object' ? JSON.stringify(value) : String(value);
}

/** A table of records: columns by name, buttons by label. */
function table(records, columns, buttons) {
  const head = '<tr><th></th>' + columns.map((name) => '<th>' + name.replaceAll('_', '_<wbr>') + '</th>').join('') + '</tr>';
  by('records').innerHTML = head;
  for (const record of records) {
    const row = document.createElement('tr');
    const first = document.createElement('td');
    for (const [label, applies, work] of buttons) {
      if (!applies(record)) continue;
      const button = document.createElement('button');
      button.textContent = label;
      button.onclick = () => act(label, () => work(record));
      first.append(button, ' ');
    }
    row.append(first);
    for (const name of columns) {
      const cell = document.createElement('td');
      cell.textContent = shown(record[name]);
      if (typeof record[name] === 'number') cell.className = 'number';
      row.append(cell);
    }
    by('records').append(row);
  }
  if (!records.length) by('records').innerHTML = head + '<tr><td colspan="' + (columns.length + 1) + '">none yet</td></tr>';
}

let current = VIEWS[0];

async function look() {
  try {
    const wanted = new URLSearchParams({ newest: 100, search: by('search').value });
    const response = await fetch('/admin/records/' + current.set + '?' + wanted);
    const records = await response.json();
    by('count').textContent = records.length + ' of ' + response.headers.get('x-total-count');
    table(records, current.columns, current.buttons);
    const log = await ask('GET', '/admin/log');
    by('log').textContent = Object.entries(log.calls).map(([what, count]) => count + '  ' + what).join('\n');
  } catch (error) {
    say('The simulator does not answer: ' + error.message, true);
  }
}

for (const view of VIEWS) {
  const button = document.createElement('button');
  button.textContent = view.label;
  button.onclick = () => {
    current = view;
    for (const other of by('views').children) other.setAttribute('aria-pressed', other === button);
    look();
  };
  button.setAttribute('aria-pressed', view === current);
  by('views').append(button);
}
by('search').oninput = look;
by('faults').onclick = () => act('Faults set', () => ask('PUT', '/admin/faults', JSON.parse(by('lines').value)));
by('calm').onclick = () => act('All is well again', () => ask('PUT', '/admin/faults', []));
look();
setInterval(() => { if (!document.hidden) look(); }, 2000);
