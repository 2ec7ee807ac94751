// Reads KQL queries as a JSON object from standard input, and prints what Microsoft's own language
// service says of each, against the one table that they use.
require("@kusto/language-service-next/bridge.min.js");
require("@kusto/language-service-next/Kusto.Language.Bridge.min.js");

const { KustoCode, GlobalState } = Kusto.Language;
const { TableSymbol, DatabaseSymbol } = Kusto.Language.Symbols;

const columns = "(TimeGenerated: datetime, Name: string, Sum: real, Properties: dynamic)";
const table = TableSymbol.From(columns).WithName("AppMetrics");
const globals = GlobalState.Default.WithDatabase(new DatabaseSymbol.ctor("workspace", [table]));

function findings(query) {
  const found = KustoCode.ParseAndAnalyze(query, globals).GetDiagnostics();
  return Array.from({ length: found.Count }, (_, index) => found.getItem(index).Message);
}

const queries = JSON.parse(require("node:fs").readFileSync(0, "utf8"));
const answers = Object.entries(queries).map(([name, query]) => [name, findings(query)]);
console.log(JSON.stringify(Object.fromEntries(answers)));
