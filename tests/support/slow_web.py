"""A web process that takes its time with every decision: ``make load`` must notice."""

import sys
import time

from devserver.web import main
from shared.storage.azure_tables import AzureEventStore

add_interaction = AzureEventStore.add_interaction


async def add_slowly(self, space, bucket, interaction):
    """Hold up all calls of the process, then store the decision."""
    time.sleep(0.02)
    return await add_interaction(self, space, bucket, interaction)


if __name__ == "__main__":
    AzureEventStore.add_interaction = add_slowly
    main(int(sys.argv[1]))
