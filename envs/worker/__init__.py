"""The child process of the house: environments, hosted and reached over pipes."""
