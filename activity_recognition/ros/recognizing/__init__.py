"""The node ``recognizer``: inputs, synchroniser, worker, results, diagnostics."""
