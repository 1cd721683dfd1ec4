// Node's own client, with an agent that keeps connections: after each refusal a request that must get
// its own answer. Arguments: port, login.
const http = require('http');
const [port, login] = process.argv.slice(2);
const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
const form = { 'Content-Type': 'application/x-www-form-urlencoded' };
const large = Buffer.alloc(3_000_000, 'x');

function ask(method, path, headers, body) {
  return new Promise((resolve, reject) => {
    const request = http.request({ host: '127.0.0.1', port, method, path, headers, agent }, answer => {
      answer.resume();
      answer.on('end', () => resolve(answer));
      answer.on('error', reject);
    });
    request.on('error', reject);
    request.end(body);
  });
}

// name, method, path, headers, body, status
const refusals = [
  ['no login, no body', 'DELETE', '/v1/nodes/1', {}, undefined, 401],
  ['no login, small body', 'PUT', '/v1/nodes/1', { ...form, 'Content-Length': 10 }, 'state=hold', 401],
  ['no login, 3 MB', 'PUT', '/v1/nodes/1', { ...form, 'Content-Length': large.length }, large, 401],
  ['no login, 3 MB in chunks', 'PUT', '/v1/nodes/1', { ...form, 'Transfer-Encoding': 'chunked' }, large, 401],
  ['too large', 'PUT', '/v1/nodes/1', { ...form, Authorization: login, 'Content-Length': large.length }, large, 413],
  ['no such path, 3 MB', 'POST', '/v1/nope', { ...form, 'Content-Length': large.length }, large, 404],
  ['no such method', 'POST', '/v1/nodes', { ...form, 'Content-Length': 1 }, 'x', 405],
  ['unknown type', 'PUT', '/v1/nodes/1', { 'Content-Type': 'a/b', Authorization: login, 'Content-Length': 1 }, 'x', 415],
];

(async () => {
  for (const [name, method, path, headers, body, status] of refusals) {
    for (let round = 0; round < 5; round++) {
      const answer = await ask(method, path, headers, body);
      if (answer.statusCode !== status) throw new Error(`${name}: ${answer.statusCode}`);
      const own = `js-${round}`;
      const next = await ask('GET', '/v1/nodes?limit=1', { 'X-Request-Id': own });
      if (next.statusCode !== 200) throw new Error(`${name}: then ${next.statusCode}`);
      if (next.headers['x-request-id'] !== own) throw new Error(`${name}: the answer of another`);
    }
    console.log('ok', name);
  }
  agent.destroy();
})().catch(e => { console.error(e); process.exit(1); });
