"""What several commands share: options, output, settings, agents."""
