"""The camera's button: the one place of the course where JavaScript of our own runs in the browser.

Serves `own.OwnPicture`, in the labs of notebooks 1 to 3 and 6 to 8. Paper: W3C, Media Capture and Streams.
Why it is an exception: a browser gives the camera to a script alone, and no core control of ipywidgets asks for it
(the packages that do have to be installed). So it does this one thing, holds no state, and speaks to no kernel: what it
takes comes in through the upload button, as any file. Without it, or where no script runs, a lab works as before.
"""

from __future__ import annotations

import html

from course_utils import figures

SENTENCE = (
    f"font-size:13px; line-height:1.4; padding:4px 8px; white-space:normal; overflow-wrap:anywhere;"
    f" color:{figures.INK}; background:#FFF4E5; border-left:4px solid {figures.VERMILLION}"
)

# What the camera's button does, in the browser alone: ask for the camera, show what it sees under the button, and hand
# a frame to the upload button beside it as if it were a chosen file. The kernel hears of nothing but that file.
_CAMERA = """(async (button) => {
    const own = button.closest('.own-picture'), stage = own.querySelector('.own-stage');
    const add = (name, set, parent = stage) => parent.appendChild(Object.assign(document.createElement(name), set));
    const say = (words) => add('div', { textContent: '⚠ ' + words }).setAttribute('role', 'alert');

    // The upload keeps its <input> out of the page; pressing the button opens it, and there it can be caught.
    const give = (file) => {
        let input;
        HTMLInputElement.prototype.click = function () { input = this; };
        try { own.querySelector('.widget-upload').click(); } finally { delete HTMLInputElement.prototype.click; }
        const files = new DataTransfer();
        files.items.add(file);
        input.files = files.files;
        input.dispatchEvent(new Event('change'));
    };

    stage.replaceChildren();
    own.addEventListener('change', () => stage.querySelector('[role=alert]')?.remove(), { once: true });
    if (!navigator.mediaDevices?.getUserMedia) {
        return say('the browser gives no camera to this page, as it begins neither with https:// nor with localhost; '
            + 'upload a file instead.');
    }
    button.disabled = true;
    const wanted = { width: { ideal: 1280 }, facingMode: 'environment' };  // of two cameras the one that looks outward
    let stream;
    try {
        stream = await navigator.mediaDevices.getUserMedia({ video: wanted });
    } catch (problem) {
        button.disabled = false;
        return say({
            NotAllowedError: 'the camera is not allowed here; allow it beside the address bar and press Camera again, '
                + 'or upload a file.',
            NotFoundError: 'this computer has no camera that the browser can see; upload a file instead.',
            NotReadableError: 'another program uses the camera; close that one and press Camera again.',
        }[problem.name] ?? `the camera does not start (${problem.name}); upload a file instead.`);
    }
    const video = add('video', { srcObject: stream, muted: true, autoplay: true, playsInline: true });
    video.title = 'what the camera sees, cut to the square that the lab takes';
    const buttons = add('div', {}), look = 'jupyter-button widget-button';
    const close = () => {
        clearInterval(watch);
        stream.getTracks().forEach(track => track.stop());
        stage.replaceChildren();
        button.disabled = false;
    };
    const watch = setInterval(() => video.isConnected || close(), 1000);  // the lab may vanish, and its cell run anew
    const take = add('button', { textContent: 'Take it', className: look + ' mod-primary', disabled: true }, buttons);
    add('button', { textContent: 'Cancel', className: look, onclick: close }, buttons);
    video.onloadeddata = () => { take.disabled = false; take.focus(); };
    take.onclick = () => {
        const canvas = document.createElement('canvas');
        [canvas.width, canvas.height] = [video.videoWidth, video.videoHeight];
        canvas.getContext('2d').drawImage(video, 0, 0);
        close();
        canvas.toBlob(blob => give(new File([blob], 'camera.jpg', { type: 'image/jpeg' })), 'image/jpeg', 0.92);
    };
})(this)"""
BUTTON = (
    f'<button type="button" class="jupyter-button widget-button own-camera" onclick="{html.escape(_CAMERA)}"'
    ' title="take a photograph with this computer\'s camera"><i class="fa fa-camera"></i> Camera</button>'
)
# The middle square is what a lab cuts out of a photograph, so that is what the student sees before taking one.
STAGE = f"""<style>
.own-picture .widget-upload, .own-picture .own-camera {{ padding: 0; margin: 0; }}
.own-picture .own-camera {{ width: 76px; }}
.own-stage video {{ display: block; width: 242px; height: 242px; object-fit: cover; background: black; }}
.own-stage video + div {{ display: flex; gap: 4px; margin: 4px 0; }}
.own-stage video + div button {{ flex: 1; width: auto; margin: 0; }}
.own-stage [role=alert] {{ {SENTENCE}; }}
</style><div class="own-stage"></div>"""
