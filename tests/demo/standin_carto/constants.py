"""What the tests of the CARTO stand-in agree on."""

from openfn_platform.demo.standins.carto.partner import Carto

SQL = "/api/v2/sql"
KEY = Carto.settings["api_key"]
VISITS = "CREATE TABLE visits (place text, n int, the_geom geometry); SELECT CDB_CartodbfyTable('visits')"
POINT_1_2 = "0101000020E6100000000000000000F03F0000000000000040"
