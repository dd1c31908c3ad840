// What @aws-sdk/client-s3, lib-storage and s3-request-presigner do with a bucket. The service is where AWS_ENDPOINT_URL
// says; BUCKET names a bucket that is not there yet.
import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import http from "node:http";
import { Readable } from "node:stream";
import { after, before, test } from "node:test";
import {
  CopyObjectCommand,
  CreateBucketCommand,
  DeleteBucketCommand,
  DeleteObjectCommand,
  DeleteObjectsCommand,
  GetBucketLocationCommand,
  GetObjectCommand,
  GetObjectTaggingCommand,
  HeadBucketCommand,
  HeadObjectCommand,
  ListBucketsCommand,
  ListObjectsV2Command,
  NoSuchKey,
  PutObjectCommand,
  S3Client,
  S3ServiceException,
  paginateListObjectsV2,
  waitUntilBucketExists,
  waitUntilBucketNotExists,
  waitUntilObjectExists,
  waitUntilObjectNotExists,
} from "@aws-sdk/client-s3";
import { GetCallerIdentityCommand, STSClient } from "@aws-sdk/client-sts";
import { Upload } from "@aws-sdk/lib-storage";
import { getSignedUrl } from "@aws-sdk/s3-request-presigner";

const Bucket = process.env.BUCKET;
const client = new S3Client();
const port = new URL(process.env.AWS_ENDPOINT_URL).port;
const inBucket = (more) => ({ Bucket, ...more });
const text = async (answer) => answer.Body.transformToString();

before(async () => {
  await client.send(new CreateBucketCommand({ Bucket }));
  await waitUntilBucketExists({ client, maxWaitTime: 10 }, { Bucket });
});

after(async () => {
  for await (const { Contents = [] } of paginateListObjectsV2({ client }, { Bucket })) {
    const Objects = Contents.map(({ Key }) => ({ Key }));
    await client.send(new DeleteObjectsCommand(inBucket({ Delete: { Objects } })));
  }
  await client.send(new DeleteBucketCommand({ Bucket }));
  await waitUntilBucketNotExists({ client, maxWaitTime: 10 }, { Bucket });
});

test("the account and its buckets", async () => {
  assert.match((await new STSClient().send(new GetCallerIdentityCommand())).Account, /^\d{12}$/);
  const { Buckets } = await client.send(new ListBucketsCommand());
  assert.ok(Buckets.some(({ Name, CreationDate }) => Name === Bucket && CreationDate instanceof Date));
  await client.send(new HeadBucketCommand({ Bucket }));
  assert.equal((await client.send(new GetBucketLocationCommand({ Bucket }))).LocationConstraint ?? "", "");
});

test("objects, metadata, tags, copies", async () => {
  const Key = "a folder/ä+%.txt";
  const put = { Key, Body: "hello", ContentType: "text/plain", Metadata: { mine: "1" }, Tagging: "a=b&c=d" };
  const { ETag } = await client.send(new PutObjectCommand(inBucket(put)));
  await waitUntilObjectExists({ client, maxWaitTime: 10 }, inBucket({ Key }));
  const got = await client.send(new GetObjectCommand(inBucket({ Key, ChecksumMode: "ENABLED" })));
  assert.deepEqual([await text(got), got.ContentType, got.ETag, got.Metadata], ["hello", "text/plain", ETag, { mine: "1" }]);
  const { TagSet } = await client.send(new GetObjectTaggingCommand(inBucket({ Key })));
  assert.deepEqual(TagSet, [{ Key: "a", Value: "b" }, { Key: "c", Value: "d" }]);
  const CopySource = encodeURIComponent(`${Bucket}/${Key}`);
  await client.send(new CopyObjectCommand(inBucket({ Key: "copied", CopySource })));
  assert.equal((await client.send(new HeadObjectCommand(inBucket({ Key: "copied" })))).Metadata.mine, "1");
  await client.send(new DeleteObjectCommand(inBucket({ Key: "copied" })));
  await waitUntilObjectNotExists({ client, maxWaitTime: 10 }, inBucket({ Key: "copied" }));
});

test("streams both ways", async () => {
  const content = randomBytes(700_000);
  const stream = Readable.from([content.subarray(0, 1000), content.subarray(1000)]);
  await client.send(new PutObjectCommand(inBucket({ Key: "stream", Body: stream, ContentLength: content.length })));
  const got = await client.send(new GetObjectCommand(inBucket({ Key: "stream" })));
  const hash = createHash("sha256");
  for await (const piece of got.Body) hash.update(piece);
  assert.equal(hash.digest("hex"), createHash("sha256").update(content).digest("hex"));
});

test("an upload in parts", async () => {
  const content = randomBytes(12 * 1024 * 1024);
  const params = inBucket({ Key: "parts", Body: Readable.from([content]), ContentType: "application/x-parts" });
  const upload = new Upload({ client, params, partSize: 5 * 1024 * 1024, queueSize: 2 });
  let progress = 0;
  upload.on("httpUploadProgress", ({ loaded }) => { progress = Math.max(progress, loaded); });
  assert.match((await upload.done()).ETag, /-3"$/);
  assert.equal(progress, content.length);
  const got = await client.send(new GetObjectCommand(inBucket({ Key: "parts" })));
  assert.equal(got.ContentType, "application/x-parts");
  assert.ok(Buffer.from(await got.Body.transformToByteArray()).equals(content));
});

test("ranges and conditions", async () => {
  const { ETag } = await client.send(new PutObjectCommand(inBucket({ Key: "digits", Body: "0123456789" })));
  const part = await client.send(new GetObjectCommand(inBucket({ Key: "digits", Range: "bytes=2-4" })));
  assert.deepEqual([await text(part), part.ContentRange], ["234", "bytes 2-4/10"]);
  const failing = (command, status) =>
    assert.rejects(client.send(command), (error) => error.$metadata.httpStatusCode === status);
  await failing(new GetObjectCommand(inBucket({ Key: "digits", Range: "bytes=99-" })), 416);
  await failing(new GetObjectCommand(inBucket({ Key: "digits", IfNoneMatch: ETag })), 304);
  await failing(new GetObjectCommand(inBucket({ Key: "digits", IfMatch: '"other"' })), 412);
  await failing(new PutObjectCommand(inBucket({ Key: "digits", Body: "x", IfNoneMatch: "*" })), 412);
  await client.send(new PutObjectCommand(inBucket({ Key: "digits", Body: "x", IfMatch: ETag })));
});

for (const ChecksumAlgorithm of ["CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256"]) {
  test(`checksum ${ChecksumAlgorithm}`, async (context) => {
    const request = inBucket({ Key: `checksum/${ChecksumAlgorithm}`, Body: "check me", ChecksumAlgorithm });
    let put;
    try {
      put = await client.send(new PutObjectCommand(request));
    } catch (error) {
      if (!/@aws-sdk\/crc64-nvme/.test(error.message)) throw error;
      return context.skip("this SDK has no CRC64NVME by itself");
    }
    const member = `Checksum${ChecksumAlgorithm}`;
    assert.ok(put[member]);
    const head = await client.send(new HeadObjectCommand(inBucket({ Key: request.Key, ChecksumMode: "ENABLED" })));
    assert.equal(head[member], put[member]);
    const wrong = new PutObjectCommand(inBucket({ Key: "wrong", Body: "x", [member]: put[member] }));
    await assert.rejects(client.send(wrong), (error) => error.$metadata.httpStatusCode === 400);
  });
}

test("presigned addresses", async () => {
  const putUrl = await getSignedUrl(client, new PutObjectCommand(inBucket({ Key: "presigned" })), { expiresIn: 60 });
  assert.equal((await fetch(putUrl, { method: "PUT", body: "by fetch" })).status, 200);
  const getUrl = await getSignedUrl(client, new GetObjectCommand(inBucket({ Key: "presigned" })));
  assert.equal(await (await fetch(getUrl)).text(), "by fetch");
  assert.equal((await fetch(getUrl.replace("presigned", "another"))).status, 403);
});

test("listings and deletes of many", async () => {
  const keys = ["many/1", "many/2", "many/<&>", "many/sub/3"];
  await Promise.all(keys.map((Key) => client.send(new PutObjectCommand(inBucket({ Key, Body: Key })))));
  const listed = await client.send(new ListObjectsV2Command(inBucket({ Prefix: "many/", Delimiter: "/" })));
  assert.deepEqual(listed.Contents.map(({ Key }) => Key), keys.slice(0, 3));
  assert.deepEqual(listed.CommonPrefixes, [{ Prefix: "many/sub/" }]);
  const found = [];
  for await (const page of paginateListObjectsV2({ client, pageSize: 1 }, inBucket({ Prefix: "many/" }))) found.push(...page.Contents);
  assert.deepEqual(found.map(({ Key }) => Key), keys);
  const Delete = { Objects: keys.map((Key) => ({ Key })) };
  assert.equal((await client.send(new DeleteObjectsCommand(inBucket({ Delete })))).Deleted.length, 4);
  assert.equal((await client.send(new ListObjectsV2Command(inBucket({ Prefix: "many/" })))).KeyCount, 0);
});

for (const forcePathStyle of [false, true]) {
  test(`forcePathStyle ${forcePathStyle}`, async () => {
    // Every name means this machine, wherever the machine's own resolver knows *.localhost or not.
    const lookup = (_, options, done) => (options.all ? done(null, [{ address: "127.0.0.1", family: 4 }]) : done(null, "127.0.0.1", 4));
    const requestHandler = { httpAgent: new http.Agent({ lookup }) };
    const other = new S3Client({ endpoint: `http://localhost:${port}`, forcePathStyle, requestHandler });
    let host;
    other.middlewareStack.add((next) => (args) => { host = args.request.hostname; return next(args); }, { step: "finalizeRequest" });
    await other.send(new PutObjectCommand(inBucket({ Key: "by name", Body: "x" })));
    assert.equal(host, forcePathStyle ? "localhost" : `${Bucket}.localhost`);
    assert.equal(await text(await other.send(new GetObjectCommand(inBucket({ Key: "by name" })))), "x");
  });
}

test("errors have their names", async () => {
  await assert.rejects(client.send(new GetObjectCommand(inBucket({ Key: "none" }))), NoSuchKey);
  const missing = new ListObjectsV2Command({ Bucket: "there-is-no-such-bucket" });
  await assert.rejects(client.send(missing), { name: "NoSuchBucket" });
  await assert.rejects(client.send(new HeadObjectCommand(inBucket({ Key: "none" }))), (error) => {
    return error instanceof S3ServiceException && error.name === "NotFound" && error.$metadata.httpStatusCode === 404;
  });
});
