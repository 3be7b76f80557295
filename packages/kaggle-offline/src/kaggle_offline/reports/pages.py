"""The pages for people, filled in: every value is escaped."""

from jinja2 import Environment, PackageLoader, StrictUndefined


def render_page(template: str, **values: object) -> str:
    """Return a page; ``template`` is the name of a file beside this one, ``values`` are its variables."""
    environment = Environment(loader=PackageLoader(__package__, "."), autoescape=True, undefined=StrictUndefined)
    return environment.get_template(template).render(**values)
