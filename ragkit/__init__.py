"""ragkit: the thin helper package behind the notebooks. Import the module that you need."""
