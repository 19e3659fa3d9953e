"""Programs that count, compiled by tracr: transformers whose mechanism others' compiler made."""
