"""Addresses of these pages. They stand before the admin's own, and take the place of its log-in."""

from django.urls import path, re_path

from openfn_platform.workspace.accounts import account, again, invitation, login, oidc, passwords

urlpatterns = [
    path("login/", login.login, name="login"),
    path("login/code/", login.code, name="login-code"),
    path("login/state/", again.state, name="login-state"),
    path("login/again/", again.again, name="login-again"),
    path("logout/", login.logout, name="logout"),
    path("account/", account.account, name="account"),
    path("account/sessions/end/", account.session_stop, name="session-end"),
    path("account/second-factor/", account.second_factor, name="second-factor"),
    path("account/second-factor/codes/", account.recovery_codes, name="recovery-codes"),
    path("account/second-factor/off/", account.second_factor_off, name="second-factor-off"),
    path("password_change/", account.password_change, name="password_change"),
    path("password_reset/", passwords.forgotten, name="admin_password_reset"),
    path("reset/<str:key>/<str:token>/", passwords.choose, name="password_reset_confirm"),
    path("invitation/<str:secret>/", invitation.invitation, name="invitation"),
    path("oidc/login/", oidc.begin, name="oidc-login"),
    re_path(r"^(?P<provider_id>oidc)/callback/$", oidc.callback, name="openid_connect_callback"),
]
