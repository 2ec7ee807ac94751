// The JSON that the page reads, for the type checker only; the app's answers are the source.

/** A mean with its 95 % interval; null where there is nothing to take a mean of. */
interface Mean {
  eventCount: number;
  reward: number;
  mean: number | null;
  low: number | null;
  high: number | null;
}

interface Estimate extends Mean {
  effectiveSampleSize: number;
}

interface ActionShows {
  id: string;
  shows: number;
  mean: number | null;
}

interface Delay {
  count: number;
  p50Seconds: number | null;
  p95Seconds: number | null;
}

interface Row {
  totalEvents: number;
  nonActivatedEvents: number;
  learnedEvents: number;
  observedRewards: number;
  defaultedRewards: number;
  duplicateEvents: number;
  lateRewards: number;
  danglingRewards: number;
  lateEvents: number;
  online: Mean;
  baseline: Estimate;
  baselineRandom: Estimate;
  exploredShare: number | null;
  decisionEntropy: number | null;
  rewardDelay: Delay;
  actions: { top: ActionShows[]; rest: { shows: number; mean: number | null } };
  actionsPerEvent: number | null;
  models: { version: string; events: number }[];
  modelsRest: number;
  withoutModel: number;
  training: { steps: number; seconds: number; learnedEvents: number; mostLagSeconds: number | null };
}

interface Metrics {
  loop: string;
  from: string;
  to: string;
  interval: string;
  closedUntil: string | null;
  training: {
    lastTraining: string | null;
    lagSeconds: number | null;
    model: { version: string; publishedAt: string; createdAt: string; learnedEvents: number } | null;
    history: string[];
  };
  total: Row;
  rows: (Row & { start: string })[];
}

interface Finding {
  severity: "error" | "warning" | "info";
  code: string;
  title: string;
  evidence: string;
  cause: string;
  remedy: string;
}

interface Doctor {
  checkedAt: string;
  from: string;
  to: string;
  events: number;
  findings: Finding[];
}

interface Decision {
  eventId: string;
  time: string;
  status: "open" | "learned" | "notActivated";
  rewardActionId: string;
  probability: number;
  modelVersion: string;
  deferred: boolean;
  activated: boolean;
  reward: number | null;
  rewards: { value: number; delaySeconds: number }[];
  actions: { id: string; probability: number }[];
}

interface Contribution {
  name: string;
  value: string;
  score: number;
}

interface ExplainedDecision extends Decision {
  context: unknown[];
  excludedActions: string[];
  explanation: {
    modelVersion: string;
    isDecidingModel: boolean;
    actions: { id: string; score: number; features: Contribution[] }[];
  } | null;
}

interface ServiceConfiguration {
  rewardWaitTime: string;
  defaultReward: number;
  rewardAggregation: string;
  explorationPercentage: number;
  modelExportFrequency: string;
  logRetentionDays: number;
  learningMode: string;
  lastConfigurationEditDate: string;
}

interface Policy {
  name: string;
  arguments: string;
}

/** What an instance knows of itself and its storage; more than the page reads. */
interface Health {
  ready: boolean;
  storageSince: string | null;
  unloggedDecisions: number;
}
