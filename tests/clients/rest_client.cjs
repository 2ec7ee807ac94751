// Drives @azure-rest/ai-personalizer over its whole surface. argv: endpoint, key, a model's file.
// Prints, for each call, what came back.
const { readFileSync } = require("node:fs");
const { AzureKeyCredential } = require("@azure/core-auth");
const { default: PersonalizerClient, isUnexpected } = require("@azure-rest/ai-personalizer");

const [endpoint, key, file] = process.argv.slice(2);
const client = (secret) =>
  PersonalizerClient(endpoint, new AzureKeyCredential(secret), { allowInsecureConnection: true });
const got = {};

async function step(name, call) {
  const answer = await call;
  got[name] = {
    status: Number(answer.status),
    body: answer.body === undefined || answer.body === "" ? null : answer.body,
    location: answer.headers.location ?? null,
    unexpected: isUnexpected(answer),
  };
  return answer;
}

(async () => {
  const api = client(key);
  const actions = ["news", "sports", "film"].map((id) => ({ id, features: [{ kind: id }] }));
  const eventId = `rest/${Date.now()}?#% ü`;
  const octets = { contentType: "application/octet-stream" };

  await step("rank", api.path("/rank").post({
    body: { eventId, actions, excludedActions: ["film"], contextFeatures: [{ time: "noon" }], deferActivation: true },
  }));
  await step("activate", api.path("/events/{eventId}/activate", eventId).post());
  await step("reward", api.path("/events/{eventId}/reward", eventId).post({ body: { value: 1 } }));

  const service = await step("service", api.path("/configurations/service").get());
  await step("serviceUpdated", api.path("/configurations/service").put({ body: { ...service.body, rewardWaitTime: "PT20M" } }));
  await step("serviceBack", api.path("/configurations/service").put({ body: service.body }));
  const policy = { name: "mine", arguments: "--cb_explore_adf --epsilon 0.2 --cb_type ips -q ::" };
  await step("policyUpdated", api.path("/configurations/policy").put({ body: policy }));
  await step("policy", api.path("/configurations/policy").get());
  await step("policyReset", api.path("/configurations/policy").delete());

  const asked = { name: "e", startTime: "2026-01-01T00:00:00Z", endTime: "2026-02-01T00:00:00Z", policies: [policy], enableOfflineExperimentation: true };
  const made = await step("evaluationMade", api.path("/evaluations").post({ body: asked }));
  const one = api.path("/evaluations/{evaluationId}", made.body.id);
  await step("evaluation", one.get());
  await step("evaluations", api.path("/evaluations").get());
  await step("applied", api.path("/configurations/applyFromEvaluation").post({ body: { evaluationId: "none", policyName: "mine" } }));
  await step("evaluationGone", one.delete());

  await step("modelImported", api.path("/model").put({ body: readFileSync(file), ...octets }));
  await step("model", api.path("/model").get({ queryParameters: { signed: false } }));
  await step("modelProperties", api.path("/model/properties").get());
  await step("modelReset", api.path("/model").delete());

  await step("logProperties", api.path("/logs/properties").get());
  await step("logsGone", api.path("/logs").delete());
  await step("interactions", api.path("/logs/interactions").post({ body: Buffer.from("batch"), ...octets }));
  await step("observations", api.path("/logs/observations").post({ body: Buffer.from("batch"), ...octets }));

  await step("automatic", api.path("/configurations/service").put({ body: { ...service.body, isAutoOptimizationEnabled: false } }));
  await step("slotsOn", api.path("/configurations/policy").put({ body: { name: "slots", arguments: "--ccb_explore_adf --epsilon 0.2 -q ::" } }));
  const slots = [{ id: "top", baselineAction: "news" }];
  await step("slotsRanked", api.path("/multislot/rank").post({ body: { actions, slots, eventId: "slots" } }));
  await step("slotsActivated", api.path("/multislot/events/{eventId}/activate", "slots").post());
  await step("slotsRewarded", api.path("/multislot/events/{eventId}/reward", "slots").post({ body: { reward: [{ slotId: "top", value: 1 }] } }));

  await step("slotsOff", api.path("/configurations/policy").put({ body: { name: "mine", arguments: "--cb_explore_adf --epsilon 0.2 --power_t 0 -l 0.001 --cb_type mtr -q ::" } }));
  await step("automaticAgain", api.path("/configurations/service").put({ body: service.body }));

  await step("unauthorized", client("not-a-key-of-this-app").path("/rank").post({ body: { actions } }));
  got.model.body = String(got.model.body).length;
  console.log(JSON.stringify({ got, eventId }));
})().catch((error) => {
  console.error(error);
  process.exit(1);
});
