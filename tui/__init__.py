"""The terminal screen. Import `oreo_agent.tui.running` where it starts: it loads textual."""
