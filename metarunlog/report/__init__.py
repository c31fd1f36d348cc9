"""From what analysis functions returned to static pages: blocks (JSON), sections (files of blocks), pages (HTML).

``blocks``   a function's return -> blocks; sections as bytes and back
``model``    the frozen dataclasses a page is built from
``pages``    a Report -> the files of the analysis folder; pure
``assets``   the files shared by all pages
"""
