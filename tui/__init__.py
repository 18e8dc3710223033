"""The terminal screen. Import `oreo_agent.tui.app` where it starts: it loads textual."""
