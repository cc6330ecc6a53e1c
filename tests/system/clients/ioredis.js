// ioredis.js - ioredis, unmodified, against the Redis door: alone, and Cluster.
'use strict';
const assert = require('assert');
const Redis = require('ioredis');

const port = Number(process.argv[2]);

async function everyday(r) {
  assert.strictEqual(await r.set('io', 'v', 'EX', 100), 'OK');
  assert.strictEqual(await r.get('io'), 'v');
  const left = await r.ttl('io'); // time goes by on a busy machine
  assert(left > 50 && left <= 100, left);
  assert.strictEqual(await r.set('io', 'w', 'NX'), null);
  assert.strictEqual(await r.incrby('io:n', 5), 5);
  assert.strictEqual(await r.incrbyfloat('io:f', 0.5), '0.5');
  assert.strictEqual(await r.get('none'), null);
  await assert.rejects(r.incr('io'), /value is not an integer/);
  await assert.rejects(r.call('NONSENSE'), /unknown command 'NONSENSE'/);
  const bytes = Buffer.from([0, 255, 13, 10]);
  await r.set('io:b', bytes);
  assert.deepStrictEqual(await r.getBuffer('io:b'), bytes);
  const many = await Promise.all(
    Array.from({ length: 500 }, (_, i) => r.set(`io${i}`, i)));
  assert(many.every((x) => x === 'OK'));
  const got = await Promise.all(
    Array.from({ length: 500 }, (_, i) => r.get(`io${i}`)));
  got.forEach((x, i) => assert.strictEqual(x, String(i)));
  assert.strictEqual(await r.del('io:n', 'io:n'), 1);
}

async function alone() {
  const r = new Redis({ port, connectionName: 'test' });
  await everyday(r);
  assert.deepStrictEqual(await r.mget('io1', 'none', 'io2'), ['1', null, '2']);
  const p = r.pipeline();
  for (let i = 0; i < 100; i++) p.set('io:p', i).get('io:p');
  (await p.exec()).forEach(([error, x], i) => {
    assert.strictEqual(error, null);
    assert.strictEqual(x, i % 2 ? String((i - 1) / 2) : 'OK');
  });
  const keys = new Set();
  for await (const page of r.scanStream({ match: 'io1*', count: 20 }))
    page.forEach((k) => keys.add(k));
  assert.strictEqual(keys.size, 111);
  assert.strictEqual(await r.client('GETNAME'), 'test');
  await r.flushall();
  assert.strictEqual(await r.dbsize(), 0);
  await r.quit();
}

async function cluster() {
  const r = new Redis.Cluster([{ host: '127.0.0.1', port }]);
  await new Promise((done, fail) => {
    r.once('ready', done);
    r.once('error', fail);
  });
  assert.strictEqual(r.nodes('master').length, 3);
  await everyday(r);
  await r.quit();
}

alone().then(cluster).then(
  () => console.log('ioredis: ok'),
  (error) => {
    console.error(error);
    process.exit(1);
  });
