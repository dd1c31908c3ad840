// All 17 operations of @aws-sdk/client-braket, as its users call them. The service is where AWS_ENDPOINT_URL says;
// BUCKET names a bucket that exists, ROLE the jobs role, SCRIPT the S3 location of a script that ends at once.
import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import {
  BraketClient,
  CancelJobCommand,
  CancelQuantumTaskCommand,
  ConflictException,
  CreateJobCommand,
  CreateQuantumTaskCommand,
  CreateSpendingLimitCommand,
  DeleteSpendingLimitCommand,
  DeviceRetiredException,
  GetDeviceCommand,
  GetJobCommand,
  GetQuantumTaskCommand,
  ListTagsForResourceCommand,
  ResourceNotFoundException,
  SearchDevicesCommand,
  SearchJobsCommand,
  SearchQuantumTasksCommand,
  SearchSpendingLimitsCommand,
  TagResourceCommand,
  UntagResourceCommand,
  UpdateSpendingLimitCommand,
  paginateSearchDevices,
  paginateSearchJobs,
  paginateSearchQuantumTasks,
  paginateSearchSpendingLimits,
} from "@aws-sdk/client-braket";

const { BUCKET, ROLE, SCRIPT } = process.env;
const SV1 = "arn:aws:braket:::device/quantum-simulator/amazon/sv1";
const BELL = 'OPENQASM 3.0;\nbit[2] b;\nqubit[2] q;\nh q[0];\ncnot q[0], q[1];\nb[0] = measure q[0];\nb[1] = measure q[1];\n';
const FINAL = ["COMPLETED", "FAILED", "CANCELLED"];
const client = new BraketClient();

const task = (more = {}) => ({
  deviceArn: SV1,
  shots: 25,
  outputS3Bucket: BUCKET,
  outputS3KeyPrefix: "javascript",
  action: JSON.stringify({ braketSchemaHeader: { name: "braket.ir.openqasm.program", version: "1" }, source: BELL }),
  ...more,
});

const job = (more = {}) => ({
  jobName: "javascript",
  roleArn: ROLE,
  algorithmSpecification: { scriptModeConfig: { entryPoint: "script", s3Uri: SCRIPT, compressionType: "NONE" } },
  deviceConfig: { device: SV1 },
  instanceConfig: { instanceType: "ml.m5.large", volumeSizeInGb: 1 },
  outputDataConfig: { s3Path: `s3://${BUCKET}/javascript/jobs` },
  ...more,
});

async function ended(command) {
  for (;;) {
    const answer = await client.send(command);
    if (FINAL.includes(answer.status)) return answer;
    await sleep(100);
  }
}

async function every(paginator, config, input, key) {
  const pages = [];
  for await (const page of paginator({ client, ...config }, input)) pages.push(page[key]);
  return pages;
}

test("devices", async () => {
  const device = await client.send(new GetDeviceCommand({ deviceArn: SV1 }));
  assert.equal(device.deviceStatus, "ONLINE");
  assert.ok(JSON.parse(device.deviceCapabilities).service);
  assert.equal(device.deviceQueueInfo.length, 3);
  const filters = [{ name: "deviceArn", values: [SV1] }];
  assert.equal((await client.send(new SearchDevicesCommand({ filters }))).devices[0].deviceName, "SV1");
  const pages = await every(paginateSearchDevices, { pageSize: 1 }, { filters: [] }, "devices");
  assert.deepEqual(new Set(pages.map((page) => page.length)), new Set([1]));
  assert.ok(pages.length > 1);
});

test("a quantum task", async () => {
  const request = task({ tags: { team: "blue" }, experimentalCapabilities: { enabled: "NONE" } });
  const { quantumTaskArn } = await client.send(new CreateQuantumTaskCommand(request));
  const get = new GetQuantumTaskCommand({ quantumTaskArn, additionalAttributeNames: ["QueueInfo"] });
  const done = await ended(get);
  assert.equal(done.status, "COMPLETED");
  assert.equal(done.queueInfo.position, "None");
  assert.deepEqual(done.tags, { team: "blue" });
  assert.deepEqual(done.experimentalCapabilities, { enabled: "NONE" });
  assert.ok(done.createdAt instanceof Date && done.endedAt >= done.createdAt);
  const filters = [{ name: "quantumTaskArn", operator: "EQUAL", values: [quantumTaskArn] }];
  const { quantumTasks } = await client.send(new SearchQuantumTasksCommand({ filters }));
  assert.equal(quantumTasks[0].shots, 25);
});

test("tasks page by page", async () => {
  for (let number = 0; number < 3; number += 1) await client.send(new CreateQuantumTaskCommand(task()));
  const pages = await every(paginateSearchQuantumTasks, { pageSize: 2 }, { filters: [] }, "quantumTasks");
  assert.ok(pages.length > 1);
  const arns = pages.flat().map((found) => found.quantumTaskArn);
  assert.equal(new Set(arns).size, arns.length);
});

test("one client token, one task", async () => {
  const request = new CreateQuantumTaskCommand(task({ clientToken: "javascript-token" }));
  const answers = await Promise.all(Array.from({ length: 10 }, () => client.send(request)));
  assert.equal(new Set(answers.map((answer) => answer.quantumTaskArn)).size, 1);
});

test("tags", async () => {
  const { quantumTaskArn: resourceArn } = await client.send(new CreateQuantumTaskCommand(task()));
  await client.send(new TagResourceCommand({ resourceArn, tags: { "a b/+": "ä", x: "" } }));
  await client.send(new UntagResourceCommand({ resourceArn, tagKeys: ["x", "y"] }));
  const { tags } = await client.send(new ListTagsForResourceCommand({ resourceArn }));
  assert.deepEqual(tags, { "a b/+": "ä" });
});

test("a hybrid job", async () => {
  const request = job({ hyperParameters: { a: "1" }, stoppingCondition: { maxRuntimeInSeconds: 60 } });
  const { jobArn } = await client.send(new CreateJobCommand(request));
  const done = await ended(new GetJobCommand({ jobArn, additionalAttributeNames: ["QueueInfo"] }));
  assert.equal(done.status, "COMPLETED", done.failureReason);
  assert.deepEqual(done.hyperParameters, { a: "1" });
  assert.equal(done.instanceConfig.instanceCount, 1);
  assert.ok(done.events.every((event) => event.timeOfEvent instanceof Date));
  await assert.rejects(client.send(new CancelJobCommand({ jobArn })), ConflictException);
  const filters = [{ name: "jobArn", operator: "EQUAL", values: [jobArn] }];
  assert.equal((await client.send(new SearchJobsCommand({ filters }))).jobs[0].jobName, "javascript");
  await client.send(new CreateJobCommand(job()));
  const pages = await every(paginateSearchJobs, { pageSize: 1 }, { filters: [] }, "jobs");
  assert.ok(pages.length > 1);
});

test("cancelling", async () => {
  const { quantumTaskArn } = await client.send(new CreateQuantumTaskCommand(task()));
  await ended(new GetQuantumTaskCommand({ quantumTaskArn }));
  await assert.rejects(client.send(new CancelQuantumTaskCommand({ quantumTaskArn })), (error) => {
    assert.ok(error instanceof ConflictException);
    assert.equal(error.$metadata.httpStatusCode, 409);
    return /cannot cancel a quantum task in the COMPLETED status/.test(error.message);
  });
});

test("spending limits", async () => {
  const timePeriod = { startAt: new Date("2026-01-01T00:00:00.500Z"), endAt: new Date("2100-01-01T00:00:00Z") };
  const create = new CreateSpendingLimitCommand({ deviceArn: SV1, spendingLimit: "12.5", timePeriod, tags: { a: "b" } });
  const { spendingLimitArn } = await client.send(create);
  await client.send(new UpdateSpendingLimitCommand({ spendingLimitArn, spendingLimit: "20" }));
  const filters = [{ name: "deviceArn", operator: "EQUAL", values: [SV1] }];
  const { spendingLimits } = await client.send(new SearchSpendingLimitsCommand({ filters }));
  const [limit] = spendingLimits.filter((found) => found.spendingLimitArn === spendingLimitArn);
  assert.equal(Number(limit.spendingLimit), 20);
  assert.deepEqual(limit.timePeriod, timePeriod);
  assert.ok(limit.createdAt instanceof Date && limit.updatedAt >= limit.createdAt);
  const pages = await every(paginateSearchSpendingLimits, { pageSize: 1 }, {}, "spendingLimits");
  assert.ok(pages.flat().some((found) => found.spendingLimitArn === spendingLimitArn));
  await client.send(new DeleteSpendingLimitCommand({ spendingLimitArn }));
  await assert.rejects(client.send(new DeleteSpendingLimitCommand({ spendingLimitArn })), ResourceNotFoundException);
});

test("errors have their names", async () => {
  const failing = (command, name, status) =>
    assert.rejects(client.send(command), (error) => error.name === name && error.$metadata.httpStatusCode === status);
  await failing(new GetDeviceCommand({ deviceArn: "nowhere" }), "ResourceNotFoundException", 404);
  await failing(new CreateQuantumTaskCommand(task({ shots: 100_001 })), "ValidationException", 400);
  await failing(new SearchJobsCommand({ filters: [], nextToken: "made up" }), "ValidationException", 400);
  await failing(new CreateJobCommand(job({ jobName: "under_score" })), "ValidationException", 400);
  const retired = "arn:aws:braket:us-east-1::device/qpu/ionq/Harmony";
  await assert.rejects(client.send(new CreateQuantumTaskCommand(task({ deviceArn: retired }))), DeviceRetiredException);
  const associations = [{ arn: "arn:aws:braket:us-east-1:000000000000:reservation/x", type: "RESERVATION_TIME_WINDOW_ARN" }];
  await failing(new CreateQuantumTaskCommand(task({ associations })), "ValidationException", 400);
  const stranger = new BraketClient({ credentials: { accessKeyId: "AKIAAAAAAAAAAAAAAAAA", secretAccessKey: "x" } });
  await assert.rejects(stranger.send(new SearchDevicesCommand({ filters: [] })), { name: "UnrecognizedClientException" });
});
