"""The picture of the README: what four steps take on disk. It needs no background, in light and in dark mode."""

HEAD = """\
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 860 {height}" font-family="ui-sans-serif, system-ui, sans-serif" \
font-size="13">
  <title>Size on disk before and after</title>
  <style>
    text {{ fill: #59636e }} .name {{ font-weight: 600; fill: #1f2328 }} rect {{ fill: #8c959f }}
    .ships rect {{ fill: #2f81f7 }} .ships .name {{ fill: #2f81f7 }}
    @media (prefers-color-scheme: dark) {{ text {{ fill: #9198a1 }} .name {{ fill: #f0f6fc }} }}
  </style>
"""
ROW = """\
  <g{ships}><text class="name" x="0" y="{text}">{name}</text><rect x="90" y="{y}" width="{width:.1f}" height="18" \
rx="2"/><text x="{end:.1f}" y="{text}">{label}</text></g>
"""


def draw(disk):
    """Return an SVG with bars for the bytes of `disk`, {name: bytes}: the first two steps, and what ships."""
    rows = ""
    for number, name in enumerate(name for name in disk if name[0] in "1267"):
        y, width = 4 + 28 * number, disk[name] / max(disk.values()) * 690
        ships, label = ' class="ships"' if name[0] in "67" else "", f"{disk[name] / 1e6:,.0f} MB"
        rows += ROW.format(ships=ships, name=name, y=y, text=y + 14, width=width, end=98 + width, label=label)
    return HEAD.format(height=116) + rows + "</svg>\n"
