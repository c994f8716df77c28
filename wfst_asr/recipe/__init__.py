"""Whole jobs put together from the layers below: the English recogniser, scorers by model folder."""
