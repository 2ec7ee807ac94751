"""The function app: registers the blueprints, nothing else.

Without an API key or storage this import fails, on purpose: the app never serves open.
"""

import azure.functions as func

from dashboard_function.blueprint import blueprint as dashboard
from evaluate_function.blueprint import blueprint as evaluate
from manage_function.blueprint import blueprint as manage
from manage_function.loops import blueprint as loops
from rank_function.blueprint import blueprint as rank
from reward_function.blueprint import blueprint as reward
from shared import wiring
from train_function.blueprint import blueprint as train

wiring.settings()

app = func.FunctionApp()
for blueprint in (rank, reward, train, manage, loops, evaluate, dashboard):
    app.register_functions(blueprint)
