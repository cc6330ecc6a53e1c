// node_redis.js - the npm package redis, unmodified, against the Redis door:
// alone in RESP2 and RESP3, and as a cluster.
'use strict';
const assert = require('assert');
const { createClient, createCluster } = require('redis');

const port = Number(process.argv[2]);
const url = `redis://127.0.0.1:${port}`;

async function everyday(r) {
  assert.strictEqual(await r.set('nr', 'v', { EX: 100 }), 'OK');
  assert.strictEqual(await r.get('nr'), 'v');
  const left = await r.ttl('nr'); // time goes by on a busy machine
  assert(left > 50 && left <= 100, left);
  assert.strictEqual(await r.set('nr', 'w', { NX: true }), null);
  assert.strictEqual(await r.incrBy('nr:n', 5), 5);
  assert.strictEqual(await r.get('none'), null);
  await assert.rejects(r.incr('nr'), /value is not an integer/);
  const many = await Promise.all(
    Array.from({ length: 500 }, (_, i) => r.set(`nr${i}`, String(i))));
  assert(many.every((x) => x === 'OK'));
  const got = await Promise.all(
    Array.from({ length: 500 }, (_, i) => r.get(`nr${i}`)));
  got.forEach((x, i) => assert.strictEqual(x, String(i)));
  assert.strictEqual(await r.del('nr:n'), 1);
}

async function alone(RESP) {
  const r = createClient({ url, RESP, name: 'test' });
  await r.connect();
  await everyday(r);
  assert.deepStrictEqual(await r.mGet(['nr1', 'none', 'nr2']),
    ['1', null, '2']);
  await assert.rejects(r.sendCommand(['NONSENSE']), /unknown command/);
  assert.strictEqual(await r.clientGetName(), 'test');
  const keys = new Set();
  for await (const k of r.scanIterator({ MATCH: 'nr1*', COUNT: 20 }))
    [].concat(k).forEach((x) => keys.add(x));
  assert.strictEqual(keys.size, 111);
  assert.strictEqual((await r.configGet('save')).save, '');
  await r.flushAll();
  assert.strictEqual(await r.dbSize(), 0);
  await r.quit();
}

async function cluster() {
  const r = createCluster({ rootNodes: [{ url }] });
  await r.connect();
  assert.strictEqual(r.masters.length, 3);
  await everyday(r);
  await r.quit();
}

alone(2).then(() => alone(3)).then(cluster).then(
  () => console.log('node-redis: ok'),
  (error) => {
    console.error(error);
    process.exit(1);
  });
