"""Error rates of recognised text: alignment with the reference, totals, reports."""
