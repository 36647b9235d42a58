"""Localization: where is the one object, or each named part, and what is it?"""
