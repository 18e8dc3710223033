"""The terminal screen. Import `oreo_agent.tui.launcher` where it starts: it loads textual."""
