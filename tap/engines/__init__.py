"""Engines that run compiled queries."""
