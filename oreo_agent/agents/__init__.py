"""Agents: whoever chooses an action. The contract is `oreo_agent.agents.protocol`."""
