"""The picture of the README: what each image takes on disk. It needs no background, in light and in dark mode."""

HEAD = """\
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 860 {height}" font-family="ui-sans-serif, system-ui, sans-serif" \
font-size="13">
  <title>Size on disk: {title}</title>
  <style>
    text {{ fill: #59636e }} .name {{ font-weight: 600; fill: #1f2328 }} rect {{ fill: #8c959f }}
    .ships rect {{ fill: #2f81f7 }} .ships .name {{ fill: #2f81f7 }}
    @media (prefers-color-scheme: dark) {{ text {{ fill: #9198a1 }} .name {{ fill: #f0f6fc }} }}
  </style>
"""
ROW = """\
  <g{ships}><text class="name" x="0" y="{text}">{name}</text><rect x="120" y="{y}" width="{width:.1f}" height="18" \
rx="2"/><text x="{end:.1f}" y="{text}">{label}</text></g>
"""
SHIPS = ' class="ships"'


def draw(sizes):
    """Return an SVG with a bar for each of `sizes`, {name: {"disk": bytes}}, those of Go apart from the rest."""
    largest = max(size["disk"] for size in sizes.values())
    rows, y = "", 4
    for name, size in sizes.items():
        if name.startswith("Go") and "Go" not in rows:
            y += 14
        width = size["disk"] / largest * 660
        label = f"{size['disk'] / 1e6:,.{0 if size['disk'] >= 1e8 else 1}f} MB"
        ships = SHIPS if name in ("runtime", "bare") else ""
        rows += ROW.format(ships=ships, name=name, y=y, text=y + 14, width=width, end=128 + width, label=label)
        y += 28
    return HEAD.format(height=y, title=", ".join(sizes)) + rows + "</svg>\n"
