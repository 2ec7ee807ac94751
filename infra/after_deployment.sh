#!/bin/sh
# Says where a new deployment answers and how to try it; azd sets the variables.
set -eu
cat <<END
Open Personalizer answers at $PERSONALIZER_ENDPOINT

Try it:
  key=\$(az keyvault secret show --vault-name $PERSONALIZER_VAULT --name personalizer-key-1 --query value --output tsv)
  curl --fail --silent --show-error -X POST $PERSONALIZER_ENDPOINT/personalizer/v1.0/rank \\
    -H "Ocp-Apim-Subscription-Key: \$key" -H "Content-Type: application/json" \\
    -d '{"deferActivation": true, "actions": [{"id": "espresso", "features": [{"hot": true}]}]}'
Check it, the training timer included:
  PERSONALIZER_KEY=\$key .venv/bin/python -m tools.smoke $PERSONALIZER_ENDPOINT
END
