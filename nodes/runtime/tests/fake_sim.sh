#!/bin/sh
# Stands in for `sim map --world FILE --out DIR`.
mkdir -p "$5" && : > "$5/map.yaml" && echo '{"objects": []}' > "$5/ground_truth.json"
