// Drives the retired service's npm package against argv: endpoint, key. Prints what it got as JSON.
// An endpoint with a path loses the package's own path, which is a fault of it; setting baseUri helps.
const { PersonalizerClient } = require("@azure/cognitiveservices-personalizer");
const { ApiKeyCredentials } = require("@azure/ms-rest-js");

const [endpoint, key] = process.argv.slice(2);
const client = (secret) => {
  const made = new PersonalizerClient(
    new ApiKeyCredentials({ inHeader: { "Ocp-Apim-Subscription-Key": secret } }),
    endpoint,
  );
  if (new URL(endpoint).pathname !== "/") {
    made.baseUri = `${endpoint}/personalizer/v1.0`;
  }
  return made;
};
const actions = ["pasta", "salad"].map((id) => ({ id, features: [{ kind: id }] }));
const failure = (work) =>
  work.then(
    () => null,
    (error) => ({ status: error.statusCode, code: error.body?.error?.code ?? null }),
  );

(async () => {
  const personalizer = client(key);
  const eventId = `js/${Date.now()}?#% ü`;
  const ranked = await personalizer.rank({
    eventId,
    actions,
    contextFeatures: [{ time: "noon" }],
    excludedActions: ["pasta"],
    deferActivation: true,
  });
  const activated = await personalizer.events.activate(eventId);
  const rewarded = await personalizer.events.reward(eventId, { value: 1 });
  console.log(
    JSON.stringify({
      ranked: { ...ranked, status: ranked._response.status, same: ranked.eventId === eventId },
      activated: activated._response.status,
      rewarded: rewarded._response.status,
      invalid: await failure(personalizer.rank({ actions: [] })),
      unauthorized: await failure(client("not-a-key-of-this-app").rank({ actions })),
    }),
  );
})().catch((error) => {
  console.error(error);
  process.exit(1);
});
