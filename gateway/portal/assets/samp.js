// Send buttons.
//
// <button data-samp="table.load.votable" data-url="/path" data-name="Name">           sends one product
// <button data-samp-selected="CSS selector of a container">                           sends what is ticked in it:
//     <input type="checkbox" data-samp-item data-mtype="table.load.fits" data-url="/path" data-name="Name">
// data-samp and data-mtype may hold several message types, the best first: each client gets the first it takes.
// data-format (optional) is the media type, for spectra.
// Each becomes a menu: send to all or to one client, download, copy URL.  Without a hub the menu says so.
import { startSamp } from "./lib/samp-menu.js";

startSamp();
