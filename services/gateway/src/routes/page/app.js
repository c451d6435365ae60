// The fleet on one page. Everything that comes from the fleet is put in as text, never as markup.
'use strict';

const PAGE = 500;
const REFRESH_MS = 10000;
const SETTLE_MS = 400;
const MOST_EVENTS = 200;
const SHOWN_PROGRESS = 25;
const SHOWN_ARTIFACTS = 100;
const SHOWN_LINES = 200;
// What colours and moves on a terminal says nothing here.
const STEERING = /\u001b\[[0-9;?]*[ -/]*[@-~]|\u001b[@-_]|[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g;
// The order in which stages are shown: what needs a person, what runs, what waits, what ended.
const STAGES = {
  dead_letter: ['✖', 'bad'], failed: ['✖', 'bad'], review: ['◆', 'wait'], testing: ['◆', 'wait'],
  building: ['▶', 'run'], assigned: ['▷', 'run'], queued: ['…', ''], blocked: ['‖', ''],
  shipped: ['✔', ''],
};
const REFUSED = { 401: 'e-mail or password is wrong', 429: 'too many attempts; wait a minute' };
const ORDER = Object.keys(STAGES);

const at = (id) => document.getElementById(id);
let jobs = [];
let factories = [];
let progress = new Map();
let chosen = null;
let opener = null;
let timer = null;
let loading = false;
let again = false;
let following = false;
// Who signed in, if nobody came with a token.
let person = null;
let product = null;
let listening = null;

// The token stands behind the address once, where no server sees it, and then no longer.
function takeToken() {
  const said = new URLSearchParams(location.hash.slice(1));
  if (said.has('token')) {
    sessionStorage.setItem('token', said.get('token'));
    chosen = said.get('job');
    history.replaceState(null, '', location.pathname);
  }
  return sessionStorage.getItem('token');
}

async function ask(path, more) {
  const token = sessionStorage.getItem('token');
  const headers = token ? { Authorization: 'Bearer ' + token } : {};
  if (product) headers['Fleet-Product'] = product;
  const answer = await fetch(path, { headers, cache: 'no-store', ...more });
  if (answer.status === 401) {
    sessionStorage.removeItem('token');
    showStranger('signed out');
  }
  if (!answer.ok) throw new Error(String(answer.status));
  return answer;
}

const read = async (path) => (await ask(path)).json();
const readOr = (path, otherwise) => read(path).catch(() => otherwise);

function make(tag, text, kind) {
  const made = document.createElement(tag);
  if (text !== undefined && text !== null) made.textContent = text;
  if (kind) made.className = kind;
  return made;
}

function fill(parent, children) {
  parent.replaceChildren(...children);
}

function ago(moment) {
  const seconds = Math.max(0, Math.round((Date.now() - Date.parse(moment)) / 1000));
  if (Number.isNaN(seconds)) return '';
  if (seconds < 90) return seconds + ' s';
  if (seconds < 5400) return Math.round(seconds / 60) + ' min';
  if (seconds < 172800) return Math.round(seconds / 3600) + ' h';
  return Math.round(seconds / 86400) + ' d';
}

const sign = (stage) => (STAGES[stage] || ['?', ''])[0] + ' ' + stage;
const kindOf = (stage) => (STAGES[stage] || ['?', ''])[1];
const isHeld = (job) => Boolean(job.holderFactoryId);

function needsPerson(job) {
  if (job.stage === 'dead_letter' || job.stage === 'failed') return true;
  return (job.stage === 'review' || job.stage === 'testing') && !isHeld(job);
}

function troubleOf(factory) {
  if (factory.retiredAt) return '';
  if (Date.now() - Date.parse(factory.lastHeartbeatAt) > 30000) return 'silent';
  if (factory.health && factory.health !== 'ok') return factory.health;
  return '';
}

function stateOf(factory) {
  if (factory.retiredAt) return 'gone';
  const words = [troubleOf(factory) || 'ok'];
  if (factory.drainingNow) words.push('draining now');
  else if (factory.draining) words.push('draining');
  return words.join(', ');
}

async function load() {
  if (loading) {
    again = true;
    return;
  }
  loading = true;
  try {
    const [listed, hosts] = await Promise.all([
      read('/fleet/jobs?admitted=any&limit=' + PAGE),
      readOr('/fleet/factories', null),
    ]);
    jobs = listed.items;
    factories = hosts ? hosts.items : [];
    at('more').textContent = listed.nextCursor ? 'The newest ' + PAGE + ' jobs are shown.' : '';
    at('no-factories').textContent = hosts ? '' : 'The factories cannot be shown now.';
    await loadProgress();
    draw();
    if (chosen) await drawJob(chosen);
  } catch (error) {
    at('state').textContent = 'not up to date: ' + error.message;
  } finally {
    loading = false;
    if (again) {
      again = false;
      soon();
    }
  }
}

async function loadProgress() {
  const held = jobs.filter(isHeld).slice(0, SHOWN_PROGRESS);
  const runs = held.map((job) => readOr('/fleet/jobs/' + encodeURIComponent(job.id) + '/runs', null));
  const told = (await Promise.all(runs)).map((page) => page && page.items[0] && page.items[0].progress);
  progress = new Map(held.map((job, index) => [job.id, told[index]]));
}

function draw() {
  at('fleet').hidden = false;
  const focused = document.activeElement && document.activeElement.dataset.of;
  drawProblems();
  drawCounts();
  drawJobs();
  drawFactories();
  const kept = focused && [...document.querySelectorAll('[data-of]')].find((one) => one.dataset.of === focused);
  if (kept) kept.focus();
}

function opening(job, place) {
  const button = make('button', job.idempotencyKey);
  button.type = 'button';
  button.dataset.of = place + job.id;
  button.addEventListener('click', () => choose(job.id, place + job.id));
  return button;
}

function drawProblems() {
  const lines = jobs.filter(needsPerson).map((job) => {
    const line = make('li');
    line.append(make('span', sign(job.stage) + ' ', kindOf(job.stage)), opening(job, 'problem '));
    const reason = job.failureReason;
    const waits = job.stage === 'review' || job.stage === 'testing';
    line.append(waits ? ' waits for a person' : reason ? ' ' + reason : '');
    return line;
  });
  for (const factory of factories) {
    const trouble = troubleOf(factory);
    if (trouble) lines.push(make('li', '✖ factory ' + factory.factoryId + ' is ' + trouble, 'bad'));
  }
  const told = lines.length ? lines : [make('li', 'None.', 'quiet')];
  // Said aloud to those who listen, so only when it is news.
  const same = told.map((line) => line.textContent).join('') === at('problems').textContent;
  if (!same) fill(at('problems'), told);
}

function drawCounts() {
  const count = (stage) => jobs.filter((job) => job.stage === stage).length;
  fill(at('counts'), ORDER.filter(count).map((stage) => fact(sign(stage), count(stage))));
}

function fact(name, value) {
  const pair = make('div');
  pair.append(make('dt', name), make('dd', value));
  return pair;
}

function drawJobs() {
  const wanted = at('filter').value.toLowerCase();
  const place = (job) => (needsPerson(job) ? 0 : isHeld(job) ? 1 : job.stage === 'shipped' ? 3 : 2);
  const shown = jobs.filter((job) => [job.idempotencyKey, job.id, job.stage, job.holderFactoryId]
    .some((text) => String(text || '').toLowerCase().includes(wanted)));
  shown.sort((one, other) => place(one) - place(other) ||
    Date.parse(other.updatedAt) - Date.parse(one.updatedAt));
  fill(at('jobs'), shown.map((job) => {
    const row = make('tr');
    const key = make('td');
    key.append(opening(job, 'job '));
    const told = progress.get(job.id);
    const far = told ? told.percent + ' %' + (told.message ? ' ' + told.message : '') : '';
    row.append(key, make('td', sign(job.stage), kindOf(job.stage)), make('td', job.attempts),
      make('td', job.leaseEpoch), make('td', job.holderFactoryId), make('td', ago(job.createdAt)),
      make('td', far));
    return row;
  }));
}

function drawFactories() {
  fill(at('factories'), factories.map((factory) => {
    const row = make('tr');
    const held = jobs.filter((job) => job.holderFactoryId === factory.factoryId).length;
    row.append(make('td', factory.factoryId),
      make('td', stateOf(factory), troubleOf(factory) ? 'bad' : ''),
      make('td', held + ' of ' + factory.seatLimit), make('td', factory.load),
      make('td', ago(factory.lastHeartbeatAt)), make('td', (factory.engines || []).join(' ')));
    return row;
  }));
}

async function choose(id, from) {
  chosen = id;
  opener = from;
  await drawJob(id);
  at('job').focus();
}

function close() {
  chosen = null;
  at('job').hidden = true;
  const back = [...document.querySelectorAll('[data-of]')].find((one) => one.dataset.of === opener);
  if (back) back.focus();
}

async function drawJob(id) {
  const path = '/fleet/jobs/' + encodeURIComponent(id);
  const [job, why, events, kept, said] = await Promise.all([
    readOr(path, null), readOr(path + '/why', null), readOr(path + '/events', { items: [] }),
    readOr(path + '/artifacts?limit=' + SHOWN_ARTIFACTS, null),
    ask(path + '/log?tail=' + SHOWN_LINES).then((answer) => answer.text()).catch(() => null),
  ]);
  if (chosen !== id) return;
  at('job').hidden = false;
  at('job-name').textContent = job ? job.idempotencyKey : id;
  at('why').textContent = why ? why.sentence : job ? sign(job.stage) : 'This job cannot be shown.';
  fill(at('next'), ((why && why.next) || []).map((command) => {
    const line = make('li');
    line.append(make('code', command));
    return line;
  }));
  const facts = job ? ['id', 'stage', 'failureReason', 'holderFactoryId', 'leaseEpoch', 'attempts',
    'failures', 'reaps', 'priority', 'engine', 'createdAt', 'updatedAt'] : [];
  fill(at('facts'), facts.filter((name) => job[name] !== undefined)
    .map((name) => fact(name, job[name])));
  drawArtifacts(kept);
  drawLog(said);
  fill(at('events'), events.items.slice(-MOST_EVENTS).map((event) => {
    const by = event.actor ? event.actor.kind + ' ' + event.actor.id : '';
    const data = event.data || {};
    const rest = [data.reason, data.result, data.message].filter((text) => typeof text === 'string');
    return make('li', [event.at, event.type, by, ...rest].filter(Boolean).join(' · '));
  }));
}

function drawArtifacts(kept) {
  const items = kept ? kept.items : [];
  const lines = items.map((artifact) => {
    const line = make('li');
    const button = make('button', artifact.name || artifact.kind);
    button.type = 'button';
    button.dataset.of = 'artifact ' + artifact.id;
    button.addEventListener('click', () => save(artifact.id));
    const about = [artifact.kind, sized(artifact.sizeBytes), ago(artifact.createdAt)];
    line.append(button, ' ' + about.concat(artifact.quarantined ? 'kept apart' : []).join(' · '));
    return line;
  });
  const none = kept ? 'None.' : 'They cannot be shown now.';
  if (!lines.length) lines.push(make('li', none, 'quiet'));
  if (kept && kept.nextCursor) lines.push(make('li', 'Older ones are not shown.', 'quiet'));
  const focused = document.activeElement && document.activeElement.dataset.of;
  fill(at('artifacts'), lines);
  const again = [...at('artifacts').querySelectorAll('button')].find((one) => one.dataset.of === focused);
  if (again) again.focus();
}

function sized(bytes) {
  const units = ['bytes', 'KiB', 'MiB', 'GiB'];
  let unit = 0;
  let left = bytes;
  while (left >= 1024 && unit < 3) {
    left /= 1024;
    unit += 1;
  }
  return (unit ? left.toFixed(1) : left) + ' ' + units[unit];
}

// The link is made for this click, and dies soon.
async function save(id) {
  at('unsaved').textContent = '';
  try {
    const told = await read('/fleet/artifacts/' + encodeURIComponent(id));
    const way = new URL(told.link.url, location.href);
    if (!['http:', 'https:'].includes(way.protocol)) throw new Error('no address');
    const link = make('a');
    link.href = way.href;
    link.download = told.artifact.name || '';
    link.rel = 'noopener noreferrer';
    link.click();
  } catch (error) {
    at('unsaved').textContent = 'It cannot be fetched now: ' + error.message;
  }
}

function drawLog(said) {
  const log = at('log');
  const text = said === null ? 'It cannot be shown now.' : said.replace(STEERING, '') || 'It has said nothing.';
  if (log.textContent === text) return;
  const atEnd = log.scrollTop + log.clientHeight >= log.scrollHeight - 4;
  log.textContent = text;
  if (atEnd) log.scrollTop = log.scrollHeight;
}

function soon() {
  if (timer === null) {
    timer = setTimeout(() => {
      timer = null;
      load();
    }, SETTLE_MS);
  }
}

// The stream says that something happened; what it is now is read anew.
async function follow() {
  if (following) return;
  following = true;
  let pause = 1000;
  while (isKnown()) {
    try {
      listening = new AbortController();
      const answer = await ask('/fleet/events', { signal: listening.signal });
      const stream = answer.body.getReader();
      const words = new TextDecoder();
      at('state').textContent = 'live';
      pause = 1000;
      soon();
      for (;;) {
        const { done, value } = await stream.read();
        if (done) break;
        if (words.decode(value, { stream: true }).includes('data:')) soon();
      }
    } catch (error) {
      // Ended here on purpose: somebody signed out, or looks at another product.
      if (error.name !== 'AbortError') at('state').textContent = 'not live: ' + error.message;
    }
    await new Promise((wake) => setTimeout(wake, pause));
    pause = Math.min(pause * 2, 15000);
  }
  following = false;
}

const isKnown = () => Boolean(sessionStorage.getItem('token') || product);

function showStranger(why) {
  person = null;
  product = null;
  if (listening) listening.abort();
  at('who').hidden = true;
  at('fleet').hidden = true;
  at('job').hidden = true;
  at('stranger').hidden = false;
  at('state').textContent = why;
}

// A session's cookie is nothing that a script can read: the door says whose it is.
async function recognise() {
  const answer = await fetch('/auth/session', { cache: 'no-store' });
  return answer.ok ? answer.json() : null;
}

async function begin() {
  if (takeToken()) {
    show();
    return;
  }
  const known = await recognise().catch(() => null);
  if (known) {
    welcome(known);
    return;
  }
  showStranger('nobody is signed in');
  const issuers = await fetch('/auth/issuers').then((answer) => answer.json()).catch(() => ({ items: [] }));
  fill(at('issuers'), issuers.items.map(byIssuer));
}

function byIssuer(name) {
  const link = make('a', 'Sign in with ' + name);
  link.href = '/auth/oauth2/start/' + encodeURIComponent(name);
  const item = make('li');
  item.append(link);
  return item;
}

function welcome(known) {
  person = known;
  at('name').textContent = known.user.name;
  at('who').hidden = false;
  at('stranger').hidden = true;
  const theirs = known.user.productIds;
  fill(at('product'), theirs.map((name) => make('option', name)));
  at('products').hidden = theirs.length < 2;
  if (theirs.length === 0) {
    at('state').textContent = 'you may see nothing yet: an admin of a product says what';
    return;
  }
  product = theirs[0];
  show();
}

function show() {
  at('stranger').hidden = true;
  load();
  follow();
}

async function signIn(event) {
  event.preventDefault();
  const said = { email: at('email').value, password: at('password').value };
  const more = { method: 'POST', body: JSON.stringify(said), headers: { 'Content-Type': 'application/json' } };
  try {
    const answer = await fetch('/auth/sign-in', more);
    at('refused').textContent = REFUSED[answer.status] || (answer.ok ? '' : 'not now: ' + answer.status);
    if (!answer.ok) return;
    at('password').value = '';
    welcome(await answer.json());
  } catch (error) {
    at('refused').textContent = 'not now: ' + error.message;
  }
}

async function signOut() {
  const more = { method: 'POST', headers: { 'Fleet-Csrf': person.csrf } };
  const answer = await fetch('/auth/sign-out', more).catch(() => null);
  if (answer && (answer.ok || answer.status === 401)) showStranger('signed out');
  else at('state').textContent = 'not signed out, the door cannot be reached';
}

at('filter').addEventListener('input', drawJobs);
at('close').addEventListener('click', close);
document.addEventListener('keydown', (event) => {
  if (event.key === 'Escape' && chosen) close();
});
at('sign-in').addEventListener('submit', signIn);
at('out').addEventListener('click', signOut);
at('product').addEventListener('change', () => {
  product = at('product').value;
  chosen = null;
  if (listening) listening.abort();
  load();
});
window.addEventListener('hashchange', begin);
setInterval(() => isKnown() && !document.hidden && load(), REFRESH_MS);
begin();
